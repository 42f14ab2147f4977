// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CashToken} from "src/CashToken.sol";
import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {ISettlementAsset} from "src/interfaces/ISettlementAsset.sol";
import {Books} from "src/mandate/Books.sol";
import {Mandate} from "src/mandate/Mandate.sol";
import {ManagedAccount} from "src/mandate/ManagedAccount.sol";
import {MandateGuard} from "src/mandate/MandateGuard.sol";
import {Quote} from "src/oracle/Round.sol";
import {GuardCalls} from "src/settlement/GuardCalls.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Settlement} from "src/Settlement.sol";
import {Mandated} from "./base/Mandated.sol";
import {GuardedAccount} from "./doubles/GuardedAccount.sol";
import {MeddlingGuard} from "./doubles/MeddlingGuard.sol";

/// @notice Attacks on a mandate by who holds the manager's key and has accomplices: on the moment of the judgement, on
/// the books, on signatures, on arithmetic.
contract MandateAttacksTest is Mandated {
    address private constant ACCOMPLICE = address(0x100);

    function settleOutside(Instruction calldata made, uint256 key) external {
        settleFor(made, key);
    }

    function _refused(Leg[] memory legs, bytes memory why) private {
        Instruction memory made = instructionOf(legs, true);
        vm.expectRevert(why);
        this.settleOutside(made, managerKey);
    }

    function _accounted(uint256 longs, uint256 shorts, uint256 cash_) private view {
        (address[] memory tokens, uint256[] memory units, uint256 cash) = guard.holdings(address(account));
        assertEq(tokens[0], address(note), "first line");
        assertEq(units[0], longs, "long notes in the books");
        assertEq(units[1], shorts, "short notes in the books");
        assertEq(cash, cash_, "dollars in the books");
    }

    // --- between the legs and the judgement ---------------------------------------------------------------------

    /// @dev The fund sells 100,000 long notes at par. Bob sends a dollar to an account whose guard is asked before the
    /// fund's, for its address is lower, and which then makes `call_`.
    function _meddle(address meddler, address target, bytes memory call_) private returns (MeddlingGuard guard_) {
        assertTrue(ACCOMPLICE < address(account), "is asked first");
        vm.etch(meddler, address(new MeddlingGuard()).code);
        guard_ = MeddlingGuard(meddler);
        guard_.plot(target, call_);
        vm.etch(ACCOMPLICE, address(new GuardedAccount(bob, meddler)).code);
        GuardedAccount(ACCOMPLICE).setGuard(meddler);
        enrol("accomplice", ACCOMPLICE);
        Leg[] memory legs = new Leg[](3);
        legs[0] = Leg(address(note), address(account), bob, 100_000);
        legs[1] = Leg(address(usd), bob, ACCOMPLICE, 1);
        legs[2] = Leg(address(usd), bob, address(account), 100_000);
        deal(legs);
    }

    function _assertCaught(MeddlingGuard meddler, bytes memory why) private view {
        assertFalse(meddler.succeeded(), "meddled");
        assertEq(meddler.answer(), why, "why not");
        _accounted(300_000, 400_000, 300_000);
    }

    /// @dev Books lowered to what the legs left, and then by the legs, would hide a quarter of the fund from its mandate.
    function test_books_are_not_lowered_between_legs_and_judgement() public {
        bytes memory why = abi.encodeWithSelector(MandateGuard.SettlementUnderWay.selector, address(account));
        bytes memory call_ = abi.encodeCall(MandateGuard.sync, (address(account), address(note)));
        _assertCaught(_meddle(address(0x101), address(guard), call_), why);
    }

    function test_the_manager_does_not_recognise_between_legs_and_judgement() public {
        bytes memory why = abi.encodeWithSelector(MandateGuard.SettlementUnderWay.selector, address(account));
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(note), address(usd));
        bytes memory call_ = abi.encodeCall(MandateGuard.recognise, (address(account), tokens));
        _assertCaught(_meddle(manager_, address(guard), call_), why);
    }

    function test_the_owners_withdrawal_between_legs_and_judgement_is_seen() public {
        vm.prank(owner);
        uint256 id = account.announceWithdrawal(address(note), bob, 10_000);
        vm.warp(START + DELAY);
        assertTrue(_meddle(owner, address(account), abi.encodeCall(account.withdraw, (id))).succeeded(), "withdrawn");
        _accounted(290_000, 400_000, 300_000);
    }

    function test_nothing_is_settling_before_or_after() public {
        assertFalse(settlement.isSettling(), "before");
        MeddlingGuard meddler = _meddle(address(0x101), address(settlement), abi.encodeCall(settlement.isSettling, ()));
        assertTrue(abi.decode(meddler.answer(), (bool)), "meanwhile");
        assertFalse(settlement.isSettling(), "after");
    }

    // --- signatures ---------------------------------------------------------------------------------------------

    function test_signatures_in_another_shape() public {
        Instruction memory made = instructionOf(trade(1_000, -1_000, 0, false), true);
        bytes32 hash = digest(made);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(managerKey, hash);
        bytes[5] memory shapes = [
            bent(v, r, s),
            compact(v, r, s),
            abi.encodePacked(r, s, v, uint8(0)),
            abi.encodePacked(r, s),
            bytes("")
        ];
        for (uint256 i = 0; i < shapes.length; ++i) {
            bytes[] memory signatures = withBob(address(account), managerKey, hash);
            signatures[address(account) < bob ? 0 : 1] = shapes[i];
            vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, address(account)));
            settlement.settle(made, signatures);
        }
        settleFor(made, managerKey);
    }

    function test_signatures_for_another_chain_contract_or_time() public {
        Instruction memory made = instructionOf(trade(1_000, -1_000, 0, false), true);
        Instruction memory later = instructionOf(made.legs, true);
        bytes32[3] memory hashes = [
            digestFor(made, block.chainid + 1, address(settlement)),
            digestFor(made, block.chainid, address(new Settlement(assets, identities))),
            digest(later)
        ];
        for (uint256 i = 0; i < hashes.length; ++i) {
            bytes[] memory signatures = withBob(address(account), managerKey, digest(made));
            signatures[address(account) < bob ? 0 : 1] = signature(managerKey, hashes[i]);
            vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, address(account)));
            settlement.settle(made, signatures);
        }
        vm.warp(made.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InstructionExpired.selector, made.deadline));
        this.settleOutside(made, managerKey);
    }

    /// @dev A Settlement of one's own asks no guard that one does not want; no token and no account listens to it.
    function test_another_settlement_moves_nothing() public {
        Settlement other = new Settlement(assets, identities);
        Instruction memory made = instructionOf(trade(-1_000, 0, 1_000, false), true);
        bytes32 hash = digestFor(made, block.chainid, address(other));
        bytes[] memory signatures = withBob(address(account), managerKey, hash);
        vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, address(account)));
        other.settle(made, signatures);
        vm.prank(address(other));
        vm.expectRevert(abi.encodeWithSelector(ISettlementAsset.NotSettlement.selector, address(other)));
        note.settlementTransfer(address(account), bob, 1);
        vm.prank(address(other));
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.OnlySettlement.selector, address(other)));
        guard.check(address(account), bytes32("plan"), made.legs);
        assertUntouched();
    }

    // --- arithmetic ---------------------------------------------------------------------------------------------

    /// @dev Sold and bought back in one instruction: nothing changes, and all of it is turned over.
    function test_a_wash_trade_is_turnover() public {
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(note), bob, address(account), 200_001);
        legs[1] = Leg(address(note), address(account), bob, 200_001);
        _refused(legs, breach(MandateGuard.Rule.Turnover, 0, 200_001, 0, 200_000));
        (legs[0].amount, legs[1].amount) = (200_000, 200_000);
        deal(legs);
        _accounted(400_000, 400_000, 200_000);
        assertEq(guard.turnoverWithin(address(account), 1 days), 200_000, "all of it");
    }

    /// @dev Two and a half years, and one and a half: the bounds themselves are inside.
    function test_bounds_of_the_band_are_inclusive() public {
        deal(trade(100_000, 100_000, 200_000, true));
        vm.warp(START + 1 days);
        deal(trade(-200_000, -200_000, 400_000, false));
        _accounted(300_000, 300_000, 400_000);
    }

    /// @dev Through a friend: sold to Bob, who pays another fund of the same manager.
    function test_value_does_not_go_to_the_managers_other_fund() public {
        ManagedAccount other = new ManagedAccount(address(settlement), owner, manager_, address(guard), DELAY);
        enrol("other fund", address(other));
        vm.prank(owner);
        guard.setMandate(address(other), mandate());
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(note), address(account), bob, 100_000);
        legs[1] = Leg(address(usd), bob, address(other), 100_000);
        _refused(legs, breach(MandateGuard.Rule.Slippage, 0, 100_000, 0, 100));
        assertUntouched();
    }

    /// @dev Many orders within the turnover: the bound on what they cost is of all of them.
    function test_loss_is_of_all_that_is_traded() public {
        _refused(trade(50_000, -50_000, 101, true), breach(MandateGuard.Rule.Slippage, 0, 101, 0, 100));
        deal(trade(50_000, -50_000, 100, true));
    }

    function test_money_of_another_currency_is_no_cash() public {
        issueCash(eur, bob, 1_000_000);
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(note), address(account), bob, 100_000); // CUSIPs come before EUR
        legs[1] = Leg(address(eur), bob, address(account), 100_000);
        _refused(legs, abi.encodeWithSelector(IPriceOracle.PriceMissing.selector, bytes32("EUR")));
        assertUntouched();
    }

    /// @dev What the bank took back is not there to be judged, whether or not anyone told the guard.
    function test_money_that_left_is_not_in_the_books() public {
        vm.prank(cashIssuer);
        usd.redeem(address(account), 150_000);
        deal(trade(-1_000, 0, 1_000, false));
        _accounted(399_000, 400_000, 51_000);
    }

    /// @dev What was redeemed has no price any more, and needs none.
    function test_what_is_gone_needs_no_price() public {
        vm.prank(enforcer);
        short.forcedTransfer(address(account), bob, 400_000);
        vm.warp(START + 4 days + 1);
        publish(billOf(LONG, 100_000_000, 4_000_000));
        deal(trade(-100_000, 0, 100_000, false));
        (address[] memory tokens, , ) = guard.holdings(address(account));
        assertEq(tokens.length, 1, "the line is gone");
    }

    /// @dev Who has no manager's word can neither open lines in the books nor fill them.
    function test_no_stranger_writes_the_books() public {
        SecurityToken priced = createSecurity("912797SX6");
        publish(billOf("912797SX6", 100_000_000, 1_000_000));
        issue(priced, address(account), 5);
        issueCash(usd, address(account), 7);
        vm.prank(stranger);
        guard.sync(address(account), address(priced));
        vm.prank(stranger);
        guard.sync(address(account), address(usd));
        (address[] memory tokens, , ) = guard.holdings(address(account));
        assertEq(tokens.length, 2, "no line of its own");
        _accounted(400_000, 400_000, 200_000);
        address[] memory wanted = new address[](1);
        wanted[0] = address(priced);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(MandateGuard.NotOwnerOrManager.selector, address(account), stranger)
        );
        guard.recognise(address(account), wanted);
        vm.prank(owner);
        guard.recognise(address(account), wanted);
        (tokens, , ) = guard.holdings(address(account));
        assertEq(tokens.length, 3, "the owner may");
        wanted[0] = address(createCash(address(usd), "912797SX6", "not registered"));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.UnregisteredToken.selector, wanted[0]));
        guard.recognise(address(account), wanted);
    }

    /// @dev What is named twice stands in the books once, cash too.
    function test_a_token_named_twice_is_recognised_once() public {
        issue(note, address(account), 5);
        issueCash(usd, address(account), 7);
        address[] memory tokens = new address[](4);
        (tokens[0], tokens[1], tokens[2], tokens[3]) = (address(note), address(usd), address(note), address(usd));
        vm.prank(manager_);
        guard.recognise(address(account), tokens);
        (address[] memory lines, , ) = guard.holdings(address(account));
        assertEq(lines.length, 2, "no second line");
        _accounted(400_005, 400_000, 200_007);
    }

    /// @dev Sixty-four lines, and not one more: dealing would not fit a transaction.
    function test_sixty_five_securities() public {
        address[] memory tokens = new address[](63);
        Quote[] memory quotes = new Quote[](63);
        for (uint256 i = 0; i < 63; ++i) {
            bytes32 cusip = bytes32(bytes.concat("912797", bytes1(uint8(0x30 + i / 10)), bytes1(uint8(0x30 + i % 10))));
            quotes[i] = billOf(cusip, 100_000_000, 2_000_000);
            tokens[i] = address(createSecurity(cusip));
            issue(SecurityToken(tokens[i]), address(account), 1);
        }
        publish(quotes);
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(Books.TooManyPositions.selector, 65, 64));
        guard.recognise(address(account), tokens);
        SecurityToken last = SecurityToken(tokens[62]);
        assembly ("memory-safe") {
            mstore(tokens, 62)
        }
        vm.prank(manager_);
        guard.recognise(address(account), tokens);
        issue(last, bob, 1_000);
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(last), bob, address(account), 1_000);
        legs[1] = Leg(address(usd), address(account), bob, 1_000);
        _refused(legs, abi.encodeWithSelector(Books.TooManyPositions.selector, 65, 64));
    }

    // --- roles --------------------------------------------------------------------------------------------------

    function test_owner_and_manager_are_two() public {
        address[2] memory bad = [owner, address(0)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            vm.expectRevert(
                abi.encodeWithSelector(ManagedAccount.InvalidAccount.selector, owner, bad[i], address(guard), DELAY)
            );
            account.setManager(bad[i]);
            _unsound(owner, bad[i], address(guard), DELAY);
        }
        _unsound(address(0), manager_, address(guard), DELAY);
        _unsound(owner, manager_, address(0xC0DE), DELAY);
        _unsound(owner, manager_, address(guard), 1 hours - 1);
        _unsound(owner, manager_, address(guard), 366 days + 1);
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, manager_));
        account.setManager(alice);
    }

    function _unsound(address owner_, address manager__, address guard_, uint64 delay) private {
        vm.expectRevert(
            abi.encodeWithSelector(ManagedAccount.InvalidAccount.selector, owner_, manager__, guard_, delay)
        );
        new ManagedAccount(address(settlement), owner_, manager__, guard_, delay);
    }

    function test_a_guard_that_is_no_contract_or_came_late() public {
        vm.prank(owner);
        account.announceGuard(address(0xC0DE));
        vm.warp(START + DELAY);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(ManagedAccount.InvalidAccount.selector, owner, manager_, address(0xC0DE), DELAY)
        );
        account.setGuard();
        MandateGuard lax = new MandateGuard(settlement, assets, oracle, address(usd));
        vm.prank(owner);
        account.announceGuard(address(lax));
        vm.warp(START + 2 * DELAY + 7 days + 1);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(ManagedAccount.AnnouncementLapsed.selector, START + 2 * DELAY + 7 days)
        );
        account.setGuard();
        vm.warp(START + 2 * DELAY + 7 days);
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, manager_));
        account.setGuard();
        vm.prank(owner);
        account.setGuard();
        vm.prank(owner);
        vm.expectRevert(ManagedAccount.NothingAnnounced.selector);
        account.setGuard(); // once
    }

    /// @dev An announced loosening is void when something tighter is set, and can be applied once.
    function test_announcements_are_used_once() public {
        Mandate memory loose = mandate();
        loose.turnoverBp = 9_000;
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NothingAnnounced.selector, address(account)));
        guard.applyMandate(address(account));
        vm.prank(owner);
        guard.setMandate(address(account), loose);
        vm.prank(owner);
        guard.setMandate(address(account), mandate());
        vm.warp(START + DELAY);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NothingAnnounced.selector, address(account)));
        guard.applyMandate(address(account));
        vm.prank(owner);
        guard.setMandate(address(account), loose);
        vm.warp(START + 2 * DELAY + 7 days); // the last second
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NotOwner.selector, address(account), stranger));
        guard.applyMandate(address(account));
        vm.prank(owner);
        guard.applyMandate(address(account));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NothingAnnounced.selector, address(account)));
        guard.applyMandate(address(account));
    }

    /// @dev The owner of one account is nobody to another.
    function test_owners_of_other_accounts() public {
        ManagedAccount other = new ManagedAccount(address(settlement), alice, bob, address(guard), DELAY);
        vm.prank(alice);
        guard.setMandate(address(other), mandate());
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NotOwner.selector, address(account), alice));
        guard.setMandate(address(account), mandate());
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NotOwnerOrManager.selector, address(account), bob));
        guard.recognise(address(account), new address[](0));
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwnerOrManager.selector, bob));
        account.cancel(1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, alice));
        account.announceWithdrawal(address(usd), alice, 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, alice));
        account.cancelWithdrawal(1);
        vm.prank(owner);
        vm.expectRevert(ManagedAccount.NothingAnnounced.selector);
        account.cancelWithdrawal(1);
    }
}
