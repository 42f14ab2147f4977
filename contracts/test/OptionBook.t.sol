// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "src/interfaces/IOptionBook.sol";
import {OptionBook} from "src/option/OptionBook.sol";
import {Holds} from "src/token/Holds.sol";
import {OptionKind, OptionTerms} from "src/option/OptionTerms.sol";
import {GuardCalls} from "src/settlement/GuardCalls.sol";
import {Settlement} from "src/Settlement.sol";
import {Instruction} from "src/settlement/Instruction.sol";
import {OptionDesk} from "./base/OptionDesk.sol";

/// @notice Lives of calls and puts, and every way to be refused.
contract OptionBookTest is OptionDesk {
    uint256 private constant PAYMENT = 100_500; // 100,000 at 99.5 + 1

    function _balances() private view returns (uint256[6] memory) {
        return [
            note.balanceOf(alice),
            note.balanceOf(bob),
            usd.balanceOf(alice),
            usd.balanceOf(bob),
            usd.balanceOf(address(book)),
            note.heldOf(alice)
        ];
    }

    function _same(uint256[6] memory before) private view {
        assertEq(keccak256(abi.encode(before)), keccak256(abi.encode(_balances())), "nothing moved");
    }

    function test_id_and_payment_are_those_of_a_second_route() public view {
        OptionTerms memory t = terms(OptionKind.Put);
        assertEq(book.idOf(t), idOf(t), "id");
        assertEq(book.exerciseContext(idOf(t)), exerciseContext(idOf(t)), "context");
        assertEq(book.paymentOf(t), PAYMENT, "strike and accrued");
        t.face = 1;
        assertEq(book.paymentOf(t), 2, "1.005 is rounded up");
    }

    function test_call_from_writing_to_delivery() public {
        bytes32 id = write(terms(OptionKind.Call));
        assertEq(note.heldOf(alice), FACE, "collateral");
        buy(id, 700);
        assertEq(usd.balanceOf(alice), 1_000_700, "premium");
        vm.warp(UNTIL);
        exercise(id);
        assertEq(note.balanceOf(bob), 1_000_000 + FACE, "delivered");
        assertEq(note.balanceOf(alice), 1_000_000 - FACE, "assigned");
        assertEq(usd.balanceOf(alice), 1_000_700 + PAYMENT, "paid");
        assertEq(usd.balanceOf(bob), 1_000_000 - 700 - PAYMENT, "cost");
        assertEq(note.heldOf(alice), 0, "hold over");
        assertEq(usd.balanceOf(address(book)), 0, "nothing stays");
        assertTrue(statusOf(id) == IOptionBook.OptionStatus.Exercised, "exercised");
    }

    function test_put_from_writing_to_delivery() public {
        bytes32 id = write(terms(OptionKind.Put));
        assertEq(usd.balanceOf(address(book)), PAYMENT, "collateral");
        assertEq(book.escrowed(), PAYMENT, "escrowed");
        buy(id, 300);
        vm.warp(FROM);
        exercise(id);
        assertEq(note.balanceOf(alice), 1_000_000 + FACE, "taken");
        assertEq(usd.balanceOf(bob), 1_000_000 - 300 + PAYMENT, "paid");
        assertEq(usd.balanceOf(alice), 1_000_000 + 300 - PAYMENT, "cost");
        assertEq(book.escrowed(), 0, "escrow over");
    }

    function test_no_instruction_settles_past_the_book() public {
        for (uint256 kind = 0; kind < 2; ++kind) {
            uint256 state = vm.snapshotState();
            bytes32 id = write(terms(OptionKind(kind)));
            Instruction memory made = purchase(id, 700);
            bytes[] memory signatures = signaturesOf(made);
            vm.expectRevert(
                abi.encodeWithSelector(OptionBook.OnlyThroughOptionBook.selector, made.planHash)
            );
            settlement.settle(made, signatures);
            buy(id, 700);
            vm.warp(FROM);
            made = exercising(id);
            signatures = signaturesOf(made);
            if (kind == 0) {
                vm.expectRevert(abi.encodeWithSelector(OptionBook.OnlyThroughOptionBook.selector, made.planHash));
            } else {
                vm.expectRevert();
            }
            settlement.settle(made, signatures);
            exercise(id);
            vm.revertToState(state);
        }
    }

    function test_escrow_is_given_by_nobody_else() public {
        write(terms(OptionKind.Put));
        Instruction memory made = single(address(usd), address(book), bob, 1, "x");
        bytes[] memory signatures = new bytes[](1);
        vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, address(book)));
        settlement.settle(made, signatures);
    }

    function test_exercised_inside_the_window_only_and_once() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 700);
        uint256[6] memory before = _balances();
        Instruction memory made = exercising(id);
        bytes[] memory signatures = signaturesOf(made);
        vm.warp(FROM - 1);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.ExerciseTooEarly.selector, FROM));
        book.exercise(id, made, signatures);
        vm.warp(UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.ExerciseTooLate.selector, UNTIL));
        book.exercise(id, made, signatures);
        _same(before);
        vm.warp(FROM);
        book.exercise(id, made, signatures);
        vm.expectRevert(
            abi.encodeWithSelector(OptionBook.OptionNotOpen.selector, id, IOptionBook.OptionStatus.Exercised)
        );
        book.exercise(id, made, signatures);
        vm.warp(UNTIL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(OptionBook.OptionOver.selector, id, IOptionBook.OptionStatus.Exercised)
        );
        book.expire(id);
    }

    function test_exercised_by_the_holder_only() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 700);
        vm.warp(FROM);
        Instruction memory made = exercising(id);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(carolKey, digest(made));
        vm.expectRevert(abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, bob));
        book.exercise(id, made, signatures);
        made = single(address(usd), bob, address(book), PAYMENT - 1, exerciseContext(id));
        signatures = signaturesOf(made);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.InstructionNotOfOption.selector, id));
        book.exercise(id, made, signatures);
        made = single(address(usd), bob, address(book), PAYMENT, "another context");
        signatures = signaturesOf(made);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.InstructionNotOfOption.selector, id));
        book.exercise(id, made, signatures);
    }

    function test_unsold_is_not_exercised() public {
        bytes32 id = write(terms(OptionKind.Call));
        vm.warp(FROM);
        Instruction memory made = exercising(id);
        bytes[] memory signatures = signaturesOf(made);
        vm.expectRevert(
            abi.encodeWithSelector(OptionBook.OptionNotOpen.selector, id, IOptionBook.OptionStatus.Written)
        );
        book.exercise(id, made, signatures);
    }

    function test_naked_call_is_refused() public {
        OptionTerms memory t = terms(OptionKind.Call);
        bytes32 id = idOf(t);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.CallNotCovered.selector, id, address(note)));
        vm.prank(alice);
        book.write(t);
        vm.prank(alice);
        note.createHold(saltOf(t), address(book), bob, FACE - 1, UNTIL);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.CallNotCovered.selector, id, address(note)));
        vm.prank(alice);
        book.write(t);
    }

    function test_a_hold_of_another_covers_nothing() public {
        OptionTerms memory t = terms(OptionKind.Call);
        bytes32 id = idOf(t);
        vm.prank(bob);
        note.createHold(saltOf(t), address(book), bob, FACE, UNTIL);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.CallNotCovered.selector, id, address(note)));
        vm.prank(alice);
        book.write(t);
    }

    /// @notice Whoever copies what a writer is about to do takes no name from him: he writes as if nobody had.
    function test_a_writer_is_not_kept_out_by_who_names_a_hold_first() public {
        OptionTerms memory t = terms(OptionKind.Call);
        issue(note, bob, 2);
        vm.startPrank(bob);
        note.createHold(saltOf(t), bob, bob, 1, UNTIL);
        note.createHold(idOf(t), bob, bob, 1, UNTIL);
        vm.stopPrank();
        write(t);
        assertTrue(statusOf(idOf(t)) == IOptionBook.OptionStatus.Written, "written");
    }

    /// @notice The hold of a lost wallet is its successor's: who has the lost key writes no call on it.
    function test_a_lost_key_writes_no_call_on_its_successors_hold() public {
        OptionTerms memory t = terms(OptionKind.Call);
        hold(t);
        vm.prank(registrar);
        identities.announceRecovery(alice, vm.addr(77));
        vm.warp(block.timestamp + identities.RECOVERY_DELAY());
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = idOf(t);
        note.recover(alice, ids);
        assertTrue(note.hold(ids[0]).status == Holds.HoldStatus.Pending, "pending");
        vm.expectRevert(abi.encodeWithSelector(OptionBook.CallNotCovered.selector, ids[0], address(note)));
        vm.prank(alice);
        book.write(t);
    }

    function test_short_hold_covers_nothing() public {
        OptionTerms memory t = terms(OptionKind.Call);
        vm.prank(alice);
        note.createHold(saltOf(t), address(book), bob, FACE, UNTIL - 1);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.CallNotCovered.selector, idOf(t), address(note)));
        vm.prank(alice);
        book.write(t);
    }

    function test_put_without_cash_is_refused() public {
        OptionTerms memory t = terms(OptionKind.Put);
        vm.expectRevert();
        vm.prank(alice);
        book.write(t);
        assertTrue(statusOf(idOf(t)) == IOptionBook.OptionStatus.None, "nothing written");
    }

    function test_terms_that_cannot_be() public {
        OptionTerms memory t = terms(OptionKind.Put);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.NotOptionWriter.selector, idOf(t), bob));
        vm.prank(bob);
        book.write(t);
        t.cusip = "912797ZZ9";
        _refused(t, abi.encodeWithSelector(OptionBook.OptionOnUnknownSecurity.selector, t.cusip));
        t.cusip = "USD";
        _refused(t, abi.encodeWithSelector(OptionBook.OptionOnUnknownSecurity.selector, t.cusip));
        t = terms(OptionKind.Put);
        t.holder = alice;
        _refused(t, abi.encodeWithSelector(OptionBook.OptionWithoutHolder.selector, alice, alice));
        t = terms(OptionKind.Put);
        t.face = 0;
        _refused(t, abi.encodeWithSelector(OptionBook.OptionWithoutAmount.selector, 0, t.strikeE6));
        t = terms(OptionKind.Put);
        t.exerciseUntil = DAY + 25 hours;
        _refused(t, abi.encodeWithSelector(OptionBook.ExerciseWindowInvalid.selector, DAY, FROM, t.exerciseUntil));
        t.exerciseUntil = FROM - 1;
        _refused(t, abi.encodeWithSelector(OptionBook.ExerciseWindowInvalid.selector, DAY, FROM, t.exerciseUntil));
        t = terms(OptionKind.Put);
        t.settlementDate = FROM + 1;
        _refused(t, abi.encodeWithSelector(OptionBook.ExerciseWindowInvalid.selector, FROM + 1, FROM, UNTIL));
    }

    function test_option_ends_before_the_security() public {
        OptionTerms memory t = terms(OptionKind.Put);
        uint64 shift = MATURITY - DAY;
        t.schedule.couponE9 = 0;
        (t.settlementDate, t.exerciseFrom, t.exerciseUntil) = (DAY + shift, FROM + shift, UNTIL + shift);
        _refused(t, abi.encodeWithSelector(OptionBook.OptionOutlivesSecurity.selector, UNTIL + shift, MATURITY));
    }

    function _refused(OptionTerms memory t, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(alice);
        book.write(t);
    }

    function test_quotes_are_signed_and_can_be_cancelled_and_expire() public {
        bytes32 id = write(terms(OptionKind.Put));
        Instruction memory made = purchase(id, 300);
        bytes[] memory signatures = signaturesOf(made);
        bytes memory quote = signature(carolKey, digest(made));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.QuoteNotSigned.selector, id, alice));
        book.buy(id, made, signatures, quote);
        made = purchase(id, 299);
        signatures = signaturesOf(made);
        quote = signature(aliceKey, digest(purchase(id, 300)));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.QuoteNotSigned.selector, id, alice));
        book.buy(id, made, signatures, quote);
        made = purchase(id, 300);
        made.deadline = START + 60;
        signatures = signaturesOf(made);
        quote = signature(aliceKey, digest(made));
        vm.warp(START + 61);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InstructionExpired.selector, START + 60));
        book.buy(id, made, signatures, quote);
        vm.warp(START + 60);
        vm.prank(alice);
        settlement.cancel(made.nonce);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.QuoteCancelled.selector, id, made.nonce));
        book.buy(id, made, signatures, quote);
    }

    function test_bought_once() public {
        bytes32 id = write(terms(OptionKind.Call));
        buy(id, 300);
        Instruction memory made = purchase(id, 301);
        bytes[] memory signatures = signaturesOf(made);
        bytes memory quote = signature(aliceKey, digest(made));
        vm.expectRevert(
            abi.encodeWithSelector(OptionBook.OptionNotWritten.selector, id, IOptionBook.OptionStatus.Open)
        );
        book.buy(id, made, signatures, quote);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.OptionAlreadyWritten.selector, id));
        vm.prank(alice);
        book.write(terms(OptionKind.Call));
    }

    function test_expired_by_anyone_after_the_window() public {
        bytes32 call = write(terms(OptionKind.Call));
        bytes32 put = write(terms(OptionKind.Put));
        buy(call, 700);
        vm.warp(UNTIL);
        vm.expectRevert(abi.encodeWithSelector(OptionBook.ExerciseWindowNotPassed.selector, UNTIL));
        book.expire(call);
        vm.warp(UNTIL + 1);
        vm.prank(stranger);
        book.expire(call);
        book.expire(put);
        assertEq(note.availableOf(alice), 1_000_000, "free");
        assertEq(usd.balanceOf(alice), 1_000_700, "escrow is back");
        assertEq(usd.balanceOf(address(book)), 0, "nothing stays");
    }

    function test_expires_where_the_hold_is_over_already() public {
        bytes32 id = write(terms(OptionKind.Call));
        vm.warp(UNTIL + 1);
        note.expireHold(id);
        book.expire(id);
        assertTrue(statusOf(id) == IOptionBook.OptionStatus.Expired, "expired");
    }

    function test_withdrawn_by_the_writer_while_unsold() public {
        bytes32 id = write(terms(OptionKind.Call));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.NotOptionWriter.selector, id, bob));
        vm.prank(bob);
        book.withdraw(id);
        vm.prank(alice);
        book.withdraw(id);
        assertEq(note.availableOf(alice), 1_000_000, "free");
        id = write(terms(OptionKind.Put));
        buy(id, 300);
        vm.expectRevert(
            abi.encodeWithSelector(OptionBook.OptionNotWritten.selector, id, IOptionBook.OptionStatus.Open)
        );
        vm.prank(alice);
        book.withdraw(id);
    }

    function test_a_call_whose_hold_is_over_is_not_sold() public {
        bytes32 id = write(terms(OptionKind.Call));
        vm.prank(bob);
        note.releaseHold(id);
        Instruction memory made = purchase(id, 300);
        bytes[] memory signatures = signaturesOf(made);
        bytes memory quote = signature(aliceKey, digest(made));
        vm.expectRevert(abi.encodeWithSelector(OptionBook.CallNotCovered.selector, id, address(note)));
        book.buy(id, made, signatures, quote);
    }

    /// @notice Whatever the amounts, what one has less another has more; the payment is the ceiling of the exact price.
    function testFuzz_amounts(uint88 face, uint64 strike, bool isCall, uint64 premium) public {
        OptionTerms memory t = terms(isCall ? OptionKind.Call : OptionKind.Put);
        t.face = uint88(between(face, 1, 1_000_000));
        t.strikeE6 = uint64(between(strike, 1, 1_000_000_000));
        uint256 payment = book.paymentOf(t);
        uint256 exact = uint256(t.face) * (t.strikeE6 + 1_000_000);
        assertTrue(payment * 1e8 >= exact && payment * 1e8 - exact < 1e8, "ceiling");
        issueCash(usd, isCall ? bob : alice, payment);
        uint256 cashBefore = usd.totalSupply();
        bytes32 id = write(t);
        uint256 paid = between(premium, 1, 1_000_000);
        buy(id, paid);
        uint256 writerCash = usd.balanceOf(alice);
        vm.warp(FROM);
        exercise(id);
        assertEq(usd.totalSupply(), cashBefore, "cash");
        assertEq(usd.balanceOf(alice) + usd.balanceOf(bob) + usd.balanceOf(carol), cashBefore, "nothing stays");
        assertEq(usd.balanceOf(alice), isCall ? writerCash + payment : writerCash, "writer");
        assertEq(note.balanceOf(alice) + note.balanceOf(bob), 2_000_000, "securities");
    }
}
