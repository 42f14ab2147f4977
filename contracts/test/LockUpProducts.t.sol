// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LockUp} from "src/compliance/rules/LockUp.sol";
import {Rule} from "src/compliance/rules/Rule.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {IOptionBook} from "src/interfaces/IOptionBook.sol";
import {Stripping} from "src/life/Stripping.sol";
import {OptionKind} from "src/option/OptionTerms.sol";
import {RepoTerms} from "src/repo/RepoTerms.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Instruction} from "src/settlement/Instruction.sol";
import {Ledger} from "./base/Ledger.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {Mandated} from "./base/Mandated.sol";
import {OptionDesk} from "./base/OptionDesk.sol";
import {RepoDesk} from "./base/RepoDesk.sol";

/// @notice A security whose units stay for thirty days with who received them.
abstract contract LockedUp is Ledger {
    uint256 internal constant PERIOD = 30 days;
    LockUp internal lockUp;

    function lock(SecurityToken token, uint256 period) internal {
        lockUp = new LockUp(address(manager), address(compliance));
        map(address(lockUp), Rule.setValue.selector, Roles.LIMITS);
        map(address(lockUp), Rule.setExempt.selector, Roles.LIMITS);
        address[] memory rules = new address[](1);
        rules[0] = address(lockUp);
        vm.startPrank(limiter);
        lockUp.setValue(address(token), period);
        assets.setTokenRules(address(token), rules);
        vm.stopPrank();
    }

    function cannot(address from, address to, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, from, to, amount);
    }
}

/// @notice Locked units in repos: what has to stay cannot be pledged, and what is taken on default has to stay.
contract LockUpRepoTest is RepoDesk, LockedUp {
    function setUp() public override(RepoDesk, Ledger) {
        RepoDesk.setUp();
        lock(first, PERIOD);
        vm.prank(limiter);
        lockUp.setExempt(address(first), "repo-facility", true);
    }

    function test_locked_units_are_no_collateral() public {
        vm.prank(alice);
        first.transfer(bob, 10_000e6);
        RepoTerms memory terms = standard(0);
        (terms.lender, terms.borrower) = (alice, bob);
        Instruction memory made = opening(terms);
        bytes[] memory signatures = signed(made);
        vm.expectRevert(cannot(bob, address(facility), 10_000e6));
        facility.open(terms, made, signatures);
        vm.warp(START + PERIOD); // a lock-up is over with its period
        terms = standard(1);
        (terms.lender, terms.borrower) = (alice, bob);
        open(terms);
        assertEq(first.balanceOf(bob), 0, "pledged");
    }

    /// @notice A repo that is meant to fail delivers to the lender, and there the units are locked as any he receives.
    function test_what_is_taken_on_default_is_locked() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 31 days);
        uint64 day = today();
        vm.prank(bob);
        facility.closeOut(id, day);
        uint256 taken = first.balanceOf(bob);
        assertTrue(taken != 0, "taken");
        assertEq(first.detectTransferRestriction(bob, carol, 1), RestrictionCodes.LOCK_UP, "to be kept");
        assertEq(lockUp.lockedOf(address(first), "bob"), taken, "all of it");
        vm.warp(block.timestamp + PERIOD);
        vm.prank(bob);
        first.transfer(carol, taken);
    }
}

/// @notice Locked units under options: neither a call's writer nor a put's holder delivers them.
contract LockUpOptionTest is OptionDesk, LockedUp {
    function setUp() public override(OptionDesk, Ledger) {
        OptionDesk.setUp();
        lock(note, 60 days);
    }

    function test_no_option_delivers_locked_units() public {
        OptionKind[2] memory kinds = [OptionKind.Call, OptionKind.Put];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 before = vm.snapshotState();
            (address giver, address taker) = i == 0 ? (alice, bob) : (bob, alice);
            _receiveAnew(giver);
            bytes32 id = write(terms(kinds[i])); // a hold is asked about when it is executed
            buy(id, 500);
            vm.warp(FROM);
            Instruction memory made = exercising(id);
            bytes[] memory signatures = signaturesOf(made);
            uint256 cash = usd.balanceOf(bob);
            vm.expectRevert(cannot(giver, taker, FACE));
            book.exercise(id, made, signatures);
            assertEq(usd.balanceOf(bob), cash, "nothing was paid");
            assertTrue(statusOf(id) == IOptionBook.OptionStatus.Open, "nor used up");
            vm.revertToState(before);
        }
    }

    function _receiveAnew(address holder) private {
        uint256 units = note.balanceOf(holder);
        vm.prank(issuer);
        note.redeem(holder, units);
        issue(note, holder, units);
    }
}

/// @notice Locked units taken apart: the pieces of a bond are free, so a bond that is not is not taken apart; nor are
/// pieces that have to stay put together into a bond that is free.
contract LockUpStripsTest is LifeDesk, LockedUp {
    Stripping private _office;
    SecurityToken private _coupon;
    SecurityToken private _principal;

    function setUp() public override(LifeDesk, Ledger) {
        LifeDesk.setUp();
        _office = new Stripping(address(manager), issuance);
        manager.grantRole(Roles.ISSUER, address(_office), 0);
        map(address(_office), Stripping.namePieces.selector, Roles.ISSUER);
        security = createMaturing("912828ZZ1", START + 100 days);
        _coupon = createMaturing("912833AA1", START + 100 days);
        _principal = createMaturing("912820AA1", START + 100 days);
        Stripping.Piece[] memory pieces = new Stripping.Piece[](2);
        pieces[0] = Stripping.Piece(_coupon, 1, 50);
        pieces[1] = Stripping.Piece(_principal, 1, 1);
        vm.prank(issuer);
        _office.namePieces(security, pieces);
    }

    function test_locked_units_are_not_taken_apart() public {
        issue(security, alice, 300);
        lock(security, PERIOD);
        issue(security, alice, 1_000);
        bytes memory locked = abi.encodeWithSelector(
            Stripping.DealingRestricted.selector,
            address(security),
            alice,
            RestrictionCodes.LOCK_UP
        );
        vm.expectRevert(locked);
        vm.prank(alice);
        _office.strip(security, 350, 2);
        vm.prank(alice);
        _office.strip(security, 300, 2);
        assertEq(_principal.balanceOf(alice), 300, "what she had before is free");
        vm.warp(START + PERIOD);
        vm.prank(alice);
        _office.strip(security, 1_000, 2);
        assertEq(security.balanceOf(alice), 0, "and in time all of it");
    }

    function test_locked_pieces_are_not_put_together() public {
        lock(_principal, PERIOD);
        issue(security, alice, 1_000);
        vm.prank(alice);
        _office.strip(security, 1_000, 2);
        bytes memory locked = abi.encodeWithSelector(
            Stripping.DealingRestricted.selector,
            address(_principal),
            alice,
            RestrictionCodes.LOCK_UP
        );
        vm.expectRevert(locked);
        vm.prank(alice);
        _office.reconstitute(security, 1_000, 2);
        vm.warp(START + PERIOD);
        vm.prank(alice);
        _office.reconstitute(security, 1_000, 2);
        assertEq(security.balanceOf(alice), 1_000, "whole again");
    }
}

/// @notice Locked units in a managed account: neither its manager's trades nor its owner's withdrawal get them out, and
/// an account of one's own in between frees nothing.
contract LockUpAccountTest is Mandated, LockedUp {
    function setUp() public override(Mandated, Ledger) {
        Mandated.setUp();
        lock(note, PERIOD);
    }

    function test_a_managed_account_frees_nothing() public {
        issue(note, carol, 1_000);
        vm.expectRevert(cannot(carol, address(account), 1_000));
        vm.prank(carol);
        note.transfer(address(account), 1_000);
        issue(note, address(account), 100_000);
        vm.startPrank(owner);
        uint256 all = account.announceWithdrawal(address(note), carol, 400_001);
        uint256 free = account.announceWithdrawal(address(note), carol, 300_000);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(cannot(address(account), carol, 400_001));
        account.withdraw(all);
        account.withdraw(free);
        vm.stopPrank();
        assertEq(note.balanceOf(carol), 301_000, "what was there before is free");
        vm.expectRevert(cannot(carol, bob, 300_000));
        vm.prank(carol);
        note.transfer(bob, 300_000);
        publishPar();
        Instruction memory sale = instructionOf(trade(-100_001, 0, 100_001, false), true);
        vm.expectRevert(cannot(address(account), bob, 100_001));
        this.settling(sale);
    }

    function settling(Instruction calldata made) external {
        settleFor(made, managerKey);
    }
}
