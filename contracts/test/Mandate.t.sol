// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {GuardCalls} from "src/settlement/GuardCalls.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {OwnEntries} from "src/settlement/OwnEntries.sol";
import {Settlement} from "src/Settlement.sol";
import {ISettlementAsset} from "src/interfaces/ISettlementAsset.sol";
import {Mandate} from "src/mandate/Mandate.sol";
import {ManagedAccount} from "src/mandate/ManagedAccount.sol";
import {MandateGuard} from "src/mandate/MandateGuard.sol";
import {Quote} from "src/oracle/Round.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Mandated} from "./base/Mandated.sol";
import {GuardedAccount} from "./doubles/GuardedAccount.sol";

/// @notice Keeps books of what others owe each other, as a repo facility does; it agrees to all.
contract Keeper is OwnEntries {
    constructor(Settlement settlement_) OwnEntries(settlement_) {}

    function _refuse(bytes32) internal pure override {}

    /// @dev It signs whatever it is asked.
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

/// @notice Ten ways to break a mandate, and others; what is within it settles.
contract MandateTest is Mandated {
    function test_a_plan_within_the_mandate_settles() public {
        deal(trade(50_000, -50_000, 0, false));
        assertEq(note.balanceOf(address(account)), 450_000, "bought");
        (address[] memory tokens, uint256[] memory units, uint256 cash) = guard.holdings(address(account));
        assertEq(tokens[0], address(note), "first line");
        assertEq(units[0], 450_000, "accounted");
        assertEq(units[1], 350_000, "accounted");
        assertEq(cash, 200_000, "cash");
        assertEq(guard.turnoverWithin(address(account), 1 days), 50_000, "turnover");
    }

    // --- 1: out of the duration band, on either side ------------------------------------------------------------

    function test_01_duration() public {
        Leg[] memory legs = trade(150_000, 0, 150_000, true); // 550 x 4 + 400 x 1 = 2.6
        Instruction memory made = instructionOf(legs, true);
        vm.expectRevert(breach(MandateGuard.Rule.Duration, 0, 2_600_000, 1_500_000, 2_500_000));
        this.settleOutside(made, managerKey);
        made = instructionOf(trade(-150_000, 0, 150_000, false), true); // 250 x 4 + 400 = 1.4
        vm.expectRevert(breach(MandateGuard.Rule.Duration, 0, 1_400_000, 1_500_000, 2_500_000));
        this.settleOutside(made, managerKey);
        assertUntouched();
    }

    // --- 2: too much of one issue -------------------------------------------------------------------------------

    function test_02_issue_cap() public {
        vm.prank(owner);
        Mandate memory tight = mandate();
        tight.issueCapBp = 4_500;
        guard.setMandate(address(account), tight);
        Instruction memory made = instructionOf(trade(0, 50_001, 50_001, true), true);
        vm.expectRevert(breach(MandateGuard.Rule.IssueCap, SHORT, 450_001, 0, 450_000));
        this.settleOutside(made, managerKey);
        deal(trade(0, 50_000, 50_000, true));
    }

    // --- 3: too much turned over in any window ------------------------------------------------------------------

    function test_03_turnover_in_a_sliding_window() public {
        deal(trade(60_000, -60_000, 0, false));
        vm.warp(START + 10 hours);
        deal(trade(-140_000, 140_000, 0, false)); // 60 + 140 = 200, a fifth
        Instruction memory made = instructionOf(trade(1, -1, 0, false), true);
        vm.expectRevert(breach(MandateGuard.Rule.Turnover, 0, 200_001, 0, 200_000));
        this.settleOutside(made, managerKey);
        vm.warp(START + 1 days - 1);
        made = instructionOf(trade(1, -1, 0, false), true);
        vm.expectRevert(breach(MandateGuard.Rule.Turnover, 0, 200_001, 0, 200_000));
        this.settleOutside(made, managerKey);
        vm.warp(START + 1 days); // the first 60 have left
        deal(trade(60_000, -60_000, 0, false));
        made = instructionOf(trade(1, -1, 0, false), true);
        vm.expectRevert(breach(MandateGuard.Rule.Turnover, 0, 200_001, 0, 200_000));
        this.settleOutside(made, managerKey);
    }

    // --- 4: an instruction without a plan -----------------------------------------------------------------------

    function test_04_no_plan() public {
        Instruction memory made = instructionOf(trade(1_000, -1_000, 0, false), false);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.PlanRequired.selector, address(account)));
        this.settleOutside(made, managerKey);
        Instruction[] memory many = new Instruction[](1);
        bytes[][] memory signatures = new bytes[][](1);
        (many[0], signatures[0]) = (made, withBob(address(account), managerKey, digest(made)));
        settleMany(many, signatures);
        assertUntouched();
    }

    // --- 5: a plan that gives value away (I12) ------------------------------------------------------------------

    function test_05_selling_below_the_oracle() public {
        Instruction memory made = instructionOf(trade(-100_000, 0, 99_899, false), true);
        vm.expectRevert(breach(MandateGuard.Rule.Slippage, 0, 101, 0, 100));
        this.settleOutside(made, managerKey);
        made = instructionOf(trade(0, 0, 1, true), true); // cash for nothing
        vm.expectRevert(breach(MandateGuard.Rule.Slippage, 0, 1, 0, 0));
        this.settleOutside(made, managerKey);
        deal(trade(-100_000, 0, 99_900, false));
    }

    // --- 6: the manager goes to the tokens himself --------------------------------------------------------------

    function test_06_the_manager_has_no_token() public {
        vm.prank(manager_);
        vm.expectRevert();
        note.transferFrom(address(account), bob, 1);
        vm.prank(manager_);
        vm.expectRevert();
        usd.transferFrom(address(account), bob, 1);
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(ISettlementAsset.NotSettlement.selector, manager_));
        note.settlementTransfer(address(account), bob, 1);
        vm.prank(manager_);
        vm.expectRevert(); // the manager's own units, of which he has none
        note.createHold("h", manager_, bob, 1, START + 1 days);
        // the account has no function that calls a token but the owner's withdrawal
        bytes[4] memory calls = [
            abi.encodeCall(note.transfer, (bob, 1)),
            abi.encodeCall(note.approve, (manager_, 1)),
            abi.encodeCall(note.batchTransfer, (new address[](0), new uint256[](0))),
            abi.encodeWithSignature("execute(address,uint256,bytes)", address(note), 0, "")
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(manager_);
            (bool success, ) = address(account).call(calls[i]);
            assertFalse(success, "a way through the account");
        }
        assertUntouched();
    }

    // --- 7: a permit signed by the manager ----------------------------------------------------------------------

    function test_07_permit() public {
        for (uint256 i = 0; i < 2; ++i) {
            ERC20Permit token = i == 0 ? ERC20Permit(address(note)) : ERC20Permit(address(usd));
            bytes32 structHash = keccak256(
                abi.encode(
                    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                    address(account),
                    manager_,
                    1,
                    0,
                    START + 60
                )
            );
            bytes32 hash = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(managerKey, hash);
            vm.expectRevert(
                abi.encodeWithSelector(ERC20Permit.ERC2612InvalidSigner.selector, manager_, address(account))
            );
            token.permit(address(account), manager_, 1, START + 60, v, r, s);
        }
        // nobody but Settlement gets an answer
        bytes32 any = keccak256("any");
        assertTrue(account.isValidSignature(any, signature(managerKey, any)) == bytes4(0xffffffff), "to anyone");
        vm.prank(address(settlement));
        assertTrue(account.isValidSignature(any, signature(managerKey, any)) == bytes4(0x1626ba7e), "to Settlement");
    }

    // --- 8: a stranger, the owner, or a former manager signs ----------------------------------------------------

    function test_08_signers() public {
        Instruction memory made = instructionOf(trade(1_000, -1_000, 0, false), true);
        vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, address(account)));
        this.settleOutside(made, 0xBAD);
        vm.prank(owner);
        account.setManager(alice);
        vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, address(account)));
        this.settleOutside(made, managerKey);
        settleFor(made, aliceKey);
        Instruction memory next = instructionOf(trade(1_000, -1_000, 0, false), true);
        vm.prank(alice);
        account.cancel(next.nonce);
        vm.expectRevert();
        this.settleOutside(next, aliceKey);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwnerOrManager.selector, stranger));
        account.cancel(1);
    }

    // --- 9: a stale or missing price, or a manager who is a pricer ----------------------------------------------

    function test_09_oracle() public {
        vm.warp(START + 4 days + 1);
        Instruction memory made = instructionOf(trade(1_000, -1_000, 0, false), true);
        vm.expectRevert(abi.encodeWithSelector(IPriceOracle.StalePrice.selector, LONG, START, 4 days));
        this.settleOutside(made, managerKey);
        publishPar();
        SecurityToken unpriced = createSecurity("912797SX6");
        issue(unpriced, bob, 1_000);
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(unpriced), bob, address(account), 1_000);
        legs[1] = Leg(address(usd), address(account), bob, 1_000);
        made = instructionOf(legs, true);
        vm.expectRevert(abi.encodeWithSelector(IPriceOracle.PriceMissing.selector, bytes32("912797SX6")));
        this.settleOutside(made, managerKey);
        uint256 pricer = pricerKeys[0];
        vm.prank(owner);
        account.setManager(vm.addr(pricer));
        made = instructionOf(trade(1_000, -1_000, 0, false), true);
        vm.expectRevert(
            abi.encodeWithSelector(MandateGuard.ManagerIsPricer.selector, address(account), vm.addr(pricer))
        );
        this.settleOutside(made, pricer);
    }

    // --- 10: gifts neither break nor fake it --------------------------------------------------------------------

    function test_10_gifts() public {
        SecurityToken unpriced = createSecurity("912797SX6");
        issue(unpriced, bob, 5);
        vm.prank(bob);
        unpriced.transfer(address(account), 5);
        vm.prank(bob);
        note.transfer(address(account), 5_000_000);
        issueCash(usd, address(account), 77_000_000);
        Leg[] memory gift = trade(1_000_000, 0, 0, false); // by an instruction, planned or not
        settleFor(instructionOf(gift, true), managerKey);
        settleFor(instructionOf(gift, false), managerKey);
        assertEq(guard.turnoverWithin(address(account), 1 days), 0, "no turnover");
        // the books are as before: what breached breaches with the same figures, what passed passes
        Instruction memory made = instructionOf(trade(150_000, 0, 150_000, true), true);
        vm.expectRevert(breach(MandateGuard.Rule.Duration, 0, 2_600_000, 1_500_000, 2_500_000));
        this.settleOutside(made, managerKey);
        deal(trade(50_000, -50_000, 0, false));
        made = instructionOf(trade(0, 0, 200_001, true), true);
        vm.expectRevert(
            abi.encodeWithSelector(
                MandateGuard.NotAccounted.selector,
                address(account),
                bytes32("USD"),
                200_000,
                200_001
            )
        );
        this.settleOutside(made, managerKey);
        made = instructionOf(trade(-450_001, 0, 450_001, false), true);
        vm.expectRevert(
            abi.encodeWithSelector(MandateGuard.NotAccounted.selector, address(account), LONG, 450_000, 450_001)
        );
        this.settleOutside(made, managerKey);
        // an unpriced gift cannot be recognised, so it cannot stop dealing later
        address[] memory tokens = new address[](1);
        tokens[0] = address(unpriced);
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(IPriceOracle.PriceMissing.selector, bytes32("912797SX6")));
        guard.recognise(address(account), tokens);
        tokens[0] = address(0xDEAD);
        vm.prank(manager_);
        vm.expectRevert();
        guard.recognise(address(account), tokens);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(MandateGuard.NotOwnerOrManager.selector, address(account), stranger)
        );
        guard.recognise(address(account), tokens);
    }

    // --- 11: loosening without waiting --------------------------------------------------------------------------

    function test_11_loosening_waits() public {
        Mandate memory loose = mandate();
        loose.durationMaxE6 = 9_000_000;
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NotOwner.selector, address(account), manager_));
        guard.setMandate(address(account), loose);
        vm.prank(owner);
        guard.setMandate(address(account), loose);
        (Mandate memory now_, Mandate memory next, uint64 from) = guard.mandateOf(address(account));
        assertEq(now_.durationMaxE6, 2_500_000, "in force");
        assertEq(next.durationMaxE6, 9_000_000, "announced");
        assertEq(from, START + DELAY, "from");
        vm.warp(START + DELAY - 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.TooEarly.selector, START + DELAY));
        guard.applyMandate(address(account));
        vm.warp(START + DELAY + 7 days + 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.AnnouncementLapsed.selector, START + DELAY + 7 days));
        guard.applyMandate(address(account));
        vm.warp(START + DELAY);
        vm.prank(owner);
        guard.applyMandate(address(account));
        deal(trade(150_000, 0, 150_000, true));
        // tighter is at once, and takes an announcement back
        vm.prank(owner);
        guard.setMandate(address(account), mandate());
        Instruction memory made = instructionOf(trade(1, -1, 0, false), true);
        vm.expectRevert(breach(MandateGuard.Rule.Duration, 0, 2_600_003, 1_500_000, 2_500_000));
        this.settleOutside(made, managerKey);
    }

    /// @dev Whatever two mandates are, setting the second changes what is allowed only if it is nowhere looser.
    function testFuzz_only_tighter_is_at_once(Mandate memory first, Mandate memory second) public {
        first = _sound(first);
        second = _sound(second);
        ManagedAccount other = new ManagedAccount(address(settlement), owner, manager_, address(guard), DELAY);
        vm.prank(owner);
        guard.setMandate(address(other), first);
        vm.prank(owner);
        guard.setMandate(address(other), second);
        (Mandate memory now_, , uint64 from) = guard.mandateOf(address(other));
        bool tighter = second.durationMinE6 >= first.durationMinE6 &&
            second.durationMaxE6 <= first.durationMaxE6 &&
            second.issueCapBp <= first.issueCapBp &&
            second.turnoverBp <= first.turnoverBp &&
            second.window >= first.window &&
            second.slippageBp <= first.slippageBp;
        assertTrue((from == 0) == tighter, "announced unless tighter");
        assertEq(keccak256(abi.encode(now_)), keccak256(abi.encode(tighter ? second : first)), "in force");
    }

    function test_mandates_must_make_sense() public {
        for (uint256 i = 0; i < 7; ++i) {
            Mandate memory bad = mandate();
            if (i == 0) bad.durationMinE6 = bad.durationMaxE6 + 1;
            if (i == 1) (bad.durationMinE6, bad.durationMaxE6) = (0, 0);
            if (i == 2) bad.issueCapBp = 10_001;
            if (i == 3) bad.window = 0;
            if (i == 4) bad.slippageBp = 1_001;
            if (i == 5) bad.issueCapBp = 0;
            if (i == 6) bad.window = 366 days + 1;
            vm.prank(owner);
            vm.expectRevert(abi.encodeWithSelector(MandateGuard.InvalidMandate.selector, bad));
            guard.setMandate(address(account), bad);
        }
    }

    // --- 12: the guard itself -----------------------------------------------------------------------------------

    function test_12_guards() public {
        MandateGuard lax = new MandateGuard(settlement, assets, oracle, address(usd));
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, manager_));
        account.announceGuard(address(lax));
        vm.prank(owner);
        vm.expectRevert(ManagedAccount.NothingAnnounced.selector);
        account.setGuard();
        vm.prank(owner);
        account.announceGuard(address(lax));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.TooEarly.selector, START + DELAY));
        account.setGuard();
        vm.warp(START + DELAY);
        vm.prank(owner);
        account.setGuard();
        assertEq(account.guard(), address(lax), "in place");
        Instruction memory made = instructionOf(trade(1_000, -1_000, 0, false), true);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.NoMandate.selector, address(account)));
        this.settleOutside(made, managerKey);
        vm.expectRevert(abi.encodeWithSelector(MandateGuard.OnlySettlement.selector, address(this)));
        guard.check(address(account), bytes32("plan"), made.legs);
    }

    // --- 13: the owner's withdrawal -----------------------------------------------------------------------------

    function test_13_withdrawal() public {
        vm.prank(manager_);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, manager_));
        account.announceWithdrawal(address(usd), manager_, 1);
        vm.prank(owner);
        uint256 id = account.announceWithdrawal(address(note), bob, 100_000);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.TooEarly.selector, START + DELAY));
        account.withdraw(id);
        vm.warp(START + DELAY);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, stranger));
        account.withdraw(id);
        vm.prank(owner);
        account.withdraw(id);
        (, uint256[] memory units, ) = guard.holdings(address(account));
        assertEq(units[0], 300_000, "the books know");
        vm.prank(owner);
        vm.expectRevert(ManagedAccount.NothingAnnounced.selector);
        account.withdraw(id);
        vm.prank(owner);
        id = account.announceWithdrawal(address(usd), bob, 1);
        vm.warp(START + 2 * DELAY + 7 days + 1);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(ManagedAccount.AnnouncementLapsed.selector, START + 2 * DELAY + 7 days)
        );
        account.withdraw(id);
        vm.prank(owner);
        account.cancelWithdrawal(id);
        assertEq(account.withdrawal(id).from, 0, "taken back");
    }

    // --- 14: obligations, which the guard does not see ----------------------------------------------------------

    function test_14_no_dealing_with_who_keeps_books_of_obligations() public {
        Keeper keeper = new Keeper(settlement);
        enrol("keeper", address(keeper));
        for (uint256 i = 0; i < 2; ++i) {
            bool gives = i == 0;
            Leg[] memory legs = new Leg[](2);
            legs[0] = gives
                ? Leg(address(note), address(account), address(keeper), 50_000)
                : Leg(address(note), bob, address(account), 50_000);
            legs[1] = gives
                ? Leg(address(usd), bob, address(account), 50_000)
                : Leg(address(usd), address(account), address(keeper), 50_000);
            Instruction memory made = instructionOf(legs, true);
            vm.expectRevert(
                abi.encodeWithSelector(
                    MandateGuard.ObligationRefused.selector,
                    address(account),
                    address(keeper)
                )
            );
            this.settleOutside(made, managerKey);
        }
        // nor is anything taken from it
        issueCash(usd, address(keeper), 50_000);
        Leg[] memory taken = new Leg[](2);
        taken[0] = Leg(address(note), address(account), bob, 50_000);
        taken[1] = Leg(address(usd), address(keeper), address(account), 50_000);
        Instruction memory made_ = instructionOf(taken, true);
        bytes[] memory signatures = new bytes[](2);
        signatures[address(account) < address(keeper) ? 0 : 1] = signature(managerKey, digest(made_));
        vm.expectRevert(
            abi.encodeWithSelector(MandateGuard.ObligationRefused.selector, address(account), address(keeper))
        );
        settlement.settle(made_, signatures);
        assertUntouched();
        // another managed account, and a contract wallet, are parties like any
        GuardedAccount wallet = new GuardedAccount(bob, address(new MandateGuard(settlement, assets, oracle, address(usd))));
        enrol("wallet", address(wallet));
        Leg[] memory swap = new Leg[](2);
        swap[0] = Leg(address(note), bob, address(account), 1_000);
        swap[1] = Leg(address(usd), address(account), address(wallet), 1_000);
        settleFor(instructionOf(swap, true), managerKey);
        assertEq(usd.balanceOf(address(wallet)), 1_000, "paid");
    }

    // --- the books follow what happens to the account -----------------------------------------------------------

    function test_cash_that_left_lowers_the_books() public {
        vm.prank(cashIssuer);
        usd.redeem(address(account), 50_000);
        deal(trade(1_000, -1_000, 0, false));
        (, , uint256 cash) = guard.holdings(address(account));
        assertEq(cash, 150_000, "what is there");
        issueCash(usd, address(account), 7);
        guard.sync(address(account), address(usd));
        (, , cash) = guard.holdings(address(account));
        assertEq(cash, 150_000, "a gift does not raise them");
    }

    function test_forced_transfer_and_redemption_lower_the_books() public {
        vm.prank(enforcer);
        note.forcedTransfer(address(account), bob, 100_000);
        // 300 x 4 + 400 = 1,600 over 900: still inside, on what is really there
        deal(trade(1_000, -1_000, 0, false));
        (, uint256[] memory units, ) = guard.holdings(address(account));
        assertEq(units[0], 301_000, "lowered, then bought");
        vm.prank(issuer);
        short.redeem(address(account), 399_000);
        guard.sync(address(account), address(short));
        (address[] memory tokens, , ) = guard.holdings(address(account));
        assertEq(tokens.length, 1, "the line is gone");
        vm.prank(bob);
        short.transfer(address(account), 399_000);
        guard.sync(address(account), address(short));
        (tokens, , ) = guard.holdings(address(account));
        assertEq(tokens.length, 1, "a gift does not bring it back");
        recognise();
        (tokens, , ) = guard.holdings(address(account));
        assertEq(tokens.length, 2, "the manager does");
    }

    // --- fuzz: whatever is signed, the state after is inside, and no value is lost beyond the bound ----------------

    function testFuzz_I12_what_settles_is_inside(int64 longs, int64 shorts, uint64 cash, bool pays) public {
        longs = int64(int256(between(uint64(longs), 0, 1_000_000)) - 500_000);
        shorts = int64(int256(between(uint64(shorts), 0, 1_000_000)) - 500_000);
        uint256 amount = between(cash, 1, 400_000);
        vm.assume(pays || longs < 0 || shorts < 0); // else it is a gift
        Instruction memory made = instructionOf(trade(longs, shorts, amount, pays), true);
        issueCash(usd, bob, 10_000_000);
        try this.settleOutside(made, managerKey) {
            uint256 long_ = note.balanceOf(address(account));
            uint256 short_ = short.balanceOf(address(account));
            uint256 cash_ = usd.balanceOf(address(account));
            uint256 value = long_ + short_ + cash_;
            uint256 traded = longs > 0 ? uint64(longs) : uint64(-longs);
            traded += shorts > 0 ? uint64(shorts) : uint64(-shorts);
            assertTrue(long_ * 4 + short_ >= (value * 15) / 10, "duration from below");
            assertTrue((long_ * 4 + short_) * 10 <= value * 25, "duration from above");
            assertTrue(long_ * 10 <= value * 6 && short_ * 10 <= value * 6, "issue cap");
            assertTrue(traded / 2 <= (value * 2_000) / 10_000, "turnover");
            assertTrue(value + traded / 1_000 >= 1_000_000, "NAV after >= NAV before - slippage bound");
        } catch {
            assertUntouched();
        }
    }

    function settleOutside(Instruction calldata made, uint256 key) external {
        settleFor(made, key);
    }

    function _sound(Mandate memory any) private pure returns (Mandate memory) {
        any.durationMaxE6 = any.durationMaxE6 % 30_000_000 + 1;
        any.durationMinE6 = any.durationMinE6 % (any.durationMaxE6 + 1);
        any.issueCapBp = any.issueCapBp % 10_000 + 1;
        any.window = any.window % 366 days + 1;
        any.slippageBp = any.slippageBp % 1_001;
        return any;
    }
}
