// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "src/interfaces/IOptionBook.sol";
import {OptionBook} from "src/option/OptionBook.sol";
import {OptionKind, OptionTerms} from "src/option/OptionTerms.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {OptionDesk} from "./base/OptionDesk.sol";
import {RepoBook} from "src/repo/RepoBook.sol";
import {RepoFacility} from "src/repo/RepoFacility.sol";
import {RepoHash} from "src/repo/RepoTerms.sol";
import {ManagedAccount} from "src/mandate/ManagedAccount.sol";
import {Ledger} from "./base/Ledger.sol";
import {Mandated} from "./base/Mandated.sol";
import {RepoDesk} from "./base/RepoDesk.sol";

/// @notice A wallet that was lost while it had collateral somewhere.
abstract contract Losing is Ledger {
    uint256 internal constant NEW_KEY = 0x2222;

    function lose(address wallet) internal returns (address successor) {
        successor = vm.addr(NEW_KEY);
        vm.prank(registrar);
        identities.announceRecovery(wallet, successor);
        vm.warp(block.timestamp + 1 days);
        vm.prank(enforcer);
        identities.confirmRecovery(wallet);
    }

    function named(bytes32 id) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](id == 0 ? 0 : 1);
        if (id != 0) ids[0] = id;
    }
}

/// @notice Calls and puts of lost writers and holders.
contract OptionsFollowTest is OptionDesk, Losing {
    function setUp() public override(OptionDesk, Ledger) {
        OptionDesk.setUp();
    }

    function test_writer_of_a_call_is_paid_at_his_successor() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 500);
        address successor = lose(alice);
        note.recover(alice, named(id));
        book.follow(id);
        assertEq(book.optionOf(id).writer, successor, "writer");
        vm.expectRevert(abi.encodeWithSelector(OptionBook.NobodyToFollow.selector, id));
        book.follow(id);
        vm.warp(FROM);
        exercise(id);
        assertEq(usd.balanceOf(successor), book.optionOf(id).payment, "strike");
        assertEq(note.balanceOf(successor), 1_000_000 - FACE, "delivered from there");
    }

    function test_holder_of_a_call_is_delivered_at_his_successor() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 500);
        address successor = lose(bob);
        note.recover(bob, named(id));
        book.follow(id);
        issueCash(usd, successor, 1_000_000);
        vm.warp(FROM);
        IOptionBook.OptionState memory option = book.optionOf(id);
        Instruction memory made = single(address(usd), successor, address(book), option.payment, exerciseContext(id));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(NEW_KEY, digest(made));
        book.exercise(id, made, signatures);
        assertEq(note.balanceOf(successor), 1_000_000 + FACE, "delivered");
    }

    /// @notice Who was not followed is refused by name, and nothing is lost.
    function test_before_it_follows_nothing_settles() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 500);
        lose(alice);
        vm.warp(FROM);
        Instruction memory made = exercising(id);
        vm.expectRevert();
        book.exercise(id, made, signaturesOf(made));
        note.recover(alice, named(id));
        book.follow(id);
        book.exercise(id, made, signaturesOf(made));
        assertTrue(statusOf(id) == IOptionBook.OptionStatus.Exercised, "then it does");
    }

    /// @notice Nobody had to be told: what is paid goes to the successor, whoever is the first to act.
    function test_a_lost_writers_strike_is_not_paid_to_who_has_the_key() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 500);
        address successor = lose(alice);
        note.recover(alice, named(id));
        uint256 before = usd.balanceOf(alice);
        vm.warp(FROM);
        exercise(id);
        assertEq(usd.balanceOf(alice), before, "nothing to the lost wallet");
        assertEq(usd.balanceOf(successor), book.optionOf(id).payment, "strike");
    }

    /// @notice Whoever has the lost key sells no option of the writer's, and takes no collateral back.
    function test_a_lost_key_sells_nothing() public {
        bytes32 id = write(terms(OptionKind.Put));
        address successor = lose(alice);
        Instruction memory made = purchase(id, 1);
        bytes memory quote = signature(aliceKey, digest(made));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.QuoteNotSigned.selector, id, successor));
        book.buy(id, made, signaturesOf(made), quote);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.NotOptionWriter.selector, id, alice));
        vm.prank(alice);
        book.withdraw(id);
        vm.warp(UNTIL + 1);
        book.expire(id);
        assertEq(usd.balanceOf(successor), book.optionOf(id).payment, "the collateral is the successor's");
    }

    function test_collateral_of_a_put_goes_back_to_the_successor() public {
        bytes32 id = write(terms(OptionKind.Put));
        address successor = lose(alice);
        book.follow(id);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.NotOptionWriter.selector, id, alice));
        vm.prank(alice);
        book.withdraw(id);
        vm.prank(successor);
        book.withdraw(id);
        assertEq(usd.balanceOf(successor), book.optionOf(id).payment, "back");
    }

    function test_nobody_follows_without_a_recovery() public {
        bytes32 id = write(terms(OptionKind.Put));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.NobodyToFollow.selector, id));
        book.follow(id);
    }
}

/// @notice Repos of lost borrowers and lenders.
contract ReposFollowTest is RepoDesk, Losing {
    function setUp() public override(RepoDesk, Ledger) {
        RepoDesk.setUp();
    }

    function test_borrower_repurchases_from_his_successor() public {
        bytes32 id = open(standard(0));
        address successor = lose(alice);
        facility.follow(id);
        assertEq(facility.repoOf(id).borrower, successor, "borrower");
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NobodyToFollow.selector, id));
        facility.follow(id);
        issueCash(usd, successor, STOCK);
        vm.warp(START + 30 days);
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(address(usd), successor, address(facility), principal + interest);
        Instruction memory made = under(legs, RepoHash.ofRepurchase(id, actsOf(id), today(), principal, 0));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(NEW_KEY, digest(made));
        facility.repurchase(id, today(), principal, 0, made, signatures, "");
        assertEq(first.balanceOf(successor), 10_000e6, "collateral");
    }

    function test_lender_is_repaid_at_his_successor() public {
        bytes32 id = open(standard(0));
        address successor = lose(bob);
        facility.follow(id);
        vm.warp(START + 30 days);
        repurchaseAll(id, false);
        assertTrue(usd.balanceOf(successor) > 9_900e6, "with interest");
    }

    /// @notice Nobody had to be told: neither a payment nor a power goes to who has the lost key.
    function test_a_lost_lender_is_paid_and_releases_nothing() public {
        bytes32 id = open(standard(0));
        address successor = lose(bob);
        uint256 before = usd.balanceOf(bob);
        oracle.set(FIRST, 200e6);
        uint64 day = today();
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.NotLender.selector, bob, successor));
        vm.prank(bob);
        facility.releaseCollateral(id, day, 1_000e6);
        vm.warp(START + 30 days);
        repurchaseAll(id, false);
        assertEq(usd.balanceOf(bob), before, "nothing to the lost wallet");
        assertTrue(usd.balanceOf(successor) > 9_900e6, "with interest");
    }

    function test_what_waited_for_a_wallet_that_was_lost_then_is_collected_by_its_successor() public {
        bytes32 id = open(standard(0));
        setSanctioned("alice", true);
        vm.warp(START + 31 days);
        oracle.set(FIRST, 200e6);
        vm.prank(bob);
        facility.closeOut(id, today());
        uint256 rest = facility.heldFor(bytes32(uint256(uint160(alice))), first);
        assertTrue(rest != 0, "waits");
        setSanctioned("alice", false);
        address successor = lose(alice);
        facility.collect(alice, first);
        assertEq(first.balanceOf(successor), rest, "collected");
    }

    function test_a_lost_borrowers_rest_is_his_successors() public {
        bytes32 id = open(standard(0));
        address successor = lose(alice);
        vm.warp(START + 31 days);
        oracle.set(FIRST, 200e6);
        vm.prank(bob);
        facility.closeOut(id, today());
        assertTrue(first.balanceOf(successor) != 0, "delivered");
    }

    /// @notice Both parts of a close-out are multiples of the denomination: else neither could be delivered.
    function test_close_out_in_a_denomination() public {
        bytes32 id = open(standard(0));
        vm.prank(issuer);
        assets.setDenomination(address(first), 1_000e6);
        vm.warp(START + 31 days);
        uint256 before = first.balanceOf(alice);
        oracle.set(FIRST, 150e6);
        vm.prank(bob);
        facility.closeOut(id, today());
        assertEq(first.balanceOf(bob), 7_000e6, "6,620 of debt's worth, in thousands");
        assertEq(first.balanceOf(alice) - before, 3_000e6, "the rest");
    }
}

/// @notice A managed account's owner who lost his key.
contract AccountsFollowTest is Mandated, Losing {
    function setUp() public override(Mandated, Ledger) {
        Mandated.setUp();
    }

    function test_owner() public {
        vm.expectRevert(
            abi.encodeWithSelector(ManagedAccount.InvalidAccount.selector, owner, manager_, address(guard), DELAY)
        );
        account.follow();
        enrol("owner", owner);
        vm.prank(owner);
        uint256 id = account.announceWithdrawal(address(usd), stranger, 1);
        address successor = lose(owner);
        bytes memory reason = abi.encodeWithSelector(ManagedAccount.NotOwner.selector, owner);
        vm.expectRevert(reason); // though nobody has told the account yet
        vm.prank(owner);
        account.withdraw(id);
        account.follow();
        assertEq(account.owner(), successor, "owner");
        vm.expectRevert(abi.encodeWithSelector(ManagedAccount.NotOwner.selector, owner));
        vm.prank(owner);
        account.setManager(bob);
        vm.prank(successor);
        account.setManager(bob);
        assertEq(account.manager(), bob, "his to name");
    }
}
