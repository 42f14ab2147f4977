// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "src/interfaces/IOptionBook.sol";
import {OptionBook} from "src/option/OptionBook.sol";
import {OptionKind, OptionTerms} from "src/option/OptionTerms.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {OptionDesk} from "./base/OptionDesk.sol";

/// @notice Each rule of the option book at its edge: the window's last second, the one leg, the one hold.
contract OptionRulesTest is OptionDesk {
    uint256 private constant PAYMENT = 100_500;

    // --- writing ------------------------------------------------------------------------------------------------

    function test_terms_at_their_edges() public {
        OptionTerms memory t = terms(OptionKind.Put);
        t.strikeE6 = 0;
        _refused(t, abi.encodeWithSelector(OptionBook.OptionWithoutAmount.selector, FACE, 0));
        t = terms(OptionKind.Put);
        t.holder = address(0);
        _refused(t, abi.encodeWithSelector(OptionBook.OptionWithoutHolder.selector, alice, address(0)));
        t.holder = address(book);
        _refused(t, abi.encodeWithSelector(OptionBook.OptionWithoutHolder.selector, alice, address(book)));
        t = terms(OptionKind.Put);
        uint64 maturity = note.maturity();
        t.schedule.couponE9 = 0;
        (t.settlementDate, t.exerciseFrom, t.exerciseUntil) = (maturity - 1 days, maturity - 1 hours, maturity);
        _refused(t, abi.encodeWithSelector(OptionBook.OptionOutlivesSecurity.selector, maturity, maturity));
        t.exerciseUntil = maturity - 1;
        write(t);
    }

    function test_a_window_that_has_passed_is_not_written() public {
        OptionTerms memory t = terms(OptionKind.Put);
        vm.warp(UNTIL + 1);
        _refused(t, abi.encodeWithSelector(OptionBook.ExerciseTooLate.selector, UNTIL));
        vm.warp(UNTIL);
        write(t);
    }

    /// @notice A hold covers if it is pending, the writer's, for the holder, for this book, for the face and the window.
    function test_no_other_hold_covers() public {
        for (uint256 i = 0; i < 4; ++i) {
            uint256 state = vm.snapshotState();
            OptionTerms memory t = terms(OptionKind.Call);
            bytes32 id = idOf(t);
            uint88 face = i == 2 ? FACE + 1 : FACE;
            address to = i == 1 ? carol : bob;
            address notary = i == 0 ? bob : address(book);
            vm.prank(alice);
            note.createHold(saltOf(t), notary, to, face, UNTIL);
            if (i == 3) {
                vm.prank(bob);
                note.releaseHold(id);
            }
            _refused(t, abi.encodeWithSelector(OptionBook.CallNotCovered.selector, id, address(note)));
            vm.revertToState(state);
        }
    }

    // --- buying -------------------------------------------------------------------------------------------------

    function test_bought_through_the_last_second() public {
        bytes32 id = write(terms(OptionKind.Put));
        Instruction memory made = purchase(id, 300);
        bytes[] memory signatures = signaturesOf(made);
        bytes memory quote = signature(aliceKey, digest(made));
        vm.warp(UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.ExerciseTooLate.selector, UNTIL));
        book.buy(id, made, signatures, quote);
        vm.warp(UNTIL);
        book.buy(id, made, signatures, quote);
    }

    function test_the_premium_is_the_only_leg() public {
        bytes32 id = write(terms(OptionKind.Put));
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(usd), bob, address(book), 300);
        legs[1] = Leg(address(usd), bob, carol, 1);
        Instruction memory made = Instruction(legs, 0, type(uint64).max, 5, id, planHash(id, legs));
        _notOfOption(id, made);
    }

    function test_the_premium_goes_from_the_holder_to_the_book_in_cash() public {
        bytes32 id = write(terms(OptionKind.Put));
        _notOfOption(id, single(address(note), bob, address(book), 300, id));
        _notOfOption(id, single(address(usd), carol, address(book), 300, id));
        _notOfOption(id, single(address(usd), bob, alice, 300, id));
        _notOfOption(id, single(address(usd), bob, address(book), uint256(type(uint128).max) + 1, id));
        _notOfOption(id, single(address(usd), bob, address(book), 300, "another"));
    }

    // --- exercise -----------------------------------------------------------------------------------------------

    function test_exercise_moves_what_is_due_and_nothing_else() public {
        bytes32 call = write(terms(OptionKind.Call));
        bytes32 put = write(terms(OptionKind.Put));
        buy(call, 300);
        buy(put, 300);
        vm.warp(FROM);
        for (uint256 i = 0; i < 6; ++i) {
            bytes32 id = i == 0 ? call : put;
            Leg[] memory legs = new Leg[](2);
            legs[0] = Leg(address(note), bob, alice, FACE);
            legs[1] = Leg(address(usd), address(book), bob, PAYMENT);
            if (i == 0) (legs[0], legs[1]) = (Leg(address(usd), bob, address(book), PAYMENT), Leg(address(usd), bob, carol, 1));
            if (i == 1) legs[0].amount -= 1;
            if (i == 2) legs[0].to = carol;
            if (i == 3) legs[1].amount -= 1;
            if (i == 4) legs[1].to = alice;
            if (i == 5) {
                legs = new Leg[](3);
                legs[0] = Leg(address(note), bob, alice, FACE);
                legs[1] = Leg(address(usd), address(book), bob, PAYMENT);
                legs[2] = Leg(address(usd), bob, carol, 1);
            }
            bytes32 context = exerciseContext(id);
            Instruction memory made = Instruction(legs, 0, type(uint64).max, 50 + i, context, planHash(context, legs));
            bytes[] memory signatures = new bytes[](2);
            signatures[0] = signature(bobKey, digest(made));
            signatures[1] = signatures[0];
            vm.expectRevert(abi.encodeWithSelector(OptionBook.InstructionNotOfOption.selector, id));
            book.exercise(id, made, signatures);
        }
    }

    /// @notice Between its own entries the book agrees to nothing: not to the last digest, nor to no digest.
    function test_the_book_agrees_to_nothing_afterwards() public {
        bytes32 id = write(terms(OptionKind.Put));
        buy(id, 300);
        vm.warp(FROM);
        Instruction memory made = exercising(id);
        bytes32 hash = digest(made);
        exercise(id);
        Leg[] memory none = new Leg[](0);
        assertTrue(book.isValidSignature(hash, "") == bytes4(0xffffffff), "not to what it has settled");
        assertTrue(book.isValidSignature(0, "") == bytes4(0xffffffff), "not to no digest");
        vm.expectRevert(abi.encodeWithSelector(OptionBook.OnlyThroughOptionBook.selector, made.planHash));
        book.check(address(book), made.planHash, none);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.OnlyThroughOptionBook.selector, bytes32(0)));
        book.check(address(book), 0, none);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _refused(OptionTerms memory t, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(t.writer);
        book.write(t);
    }

    /// @dev Signed by all, and no purchase of this option.
    function _notOfOption(bytes32 id, Instruction memory made) private {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(bobKey, digest(made));
        bytes memory quote = signature(aliceKey, digest(made));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.InstructionNotOfOption.selector, id));
        book.buy(id, made, signatures, quote);
        assertTrue(statusOf(id) == IOptionBook.OptionStatus.Written, "for sale still");
    }
}
