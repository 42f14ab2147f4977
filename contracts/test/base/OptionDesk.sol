// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "src/interfaces/IOptionBook.sol";
import {OptionBook} from "src/option/OptionBook.sol";
import {OptionKind, OptionTerms} from "src/option/OptionTerms.sol";
import {Schedule} from "src/oracle/Accrual.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Desk} from "./Desk.sol";

/// @notice Alice writes, Bob buys. Ids, contexts and payments are built here by a second route.
abstract contract OptionDesk is Desk {
    uint64 internal constant DAY = START + 30 days;
    uint64 internal constant FROM = DAY + 9 hours;
    uint64 internal constant UNTIL = DAY + 16 hours;
    uint88 internal constant FACE = 100_000;
    OptionBook internal book;

    function setUp() public virtual override {
        super.setUp();
        book = new OptionBook(settlement, usd);
        issueCash(usd, alice, 1_000_000);
        issue(note, bob, 1_000_000);
    }

    /// @dev Coupon 4%, 92 of 184 days gone at the expiry date: 1 accrues.
    function terms(OptionKind kind) internal view returns (OptionTerms memory) {
        Schedule memory schedule =
            Schedule(40_000_000, uint40(DAY - 92 days), 0, uint40(DAY - 92 days), uint40(DAY + 92 days));
        return OptionTerms(alice, bob, CUSIP, kind, 99_500_000, FACE, DAY, FROM, UNTIL, schedule, 7);
    }

    function scheduleType() private pure returns (string memory) {
        return "Schedule(uint32 couponE9,uint40 accrualStart,uint40 priorCoupon,uint40 previousCoupon,uint40 nextCoupon)";
    }

    function idOf(OptionTerms memory t) internal pure returns (bytes32) {
        return keccak256(abi.encode(t.writer, saltOf(t)));
    }

    function saltOf(OptionTerms memory t) internal pure returns (bytes32) {
        bytes32 kind = keccak256(
            bytes(
                string.concat(
                    "OptionTerms(address writer,address holder,bytes32 cusip,uint8 kind,uint64 strikeE6,uint88 face,",
                    "uint64 settlementDate,uint64 exerciseFrom,uint64 exerciseUntil,Schedule schedule,uint256 salt)",
                    scheduleType()
                )
            )
        );
        bytes memory first = abi.encode(kind, t.writer, t.holder, t.cusip, t.kind, t.strikeE6, t.face);
        bytes memory second = abi.encode(
            t.settlementDate,
            t.exerciseFrom,
            t.exerciseUntil,
            keccak256(abi.encode(keccak256(bytes(scheduleType())), t.schedule)),
            t.salt
        );
        return keccak256(bytes.concat(first, second));
    }

    function exerciseContext(bytes32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Exercise(bytes32 optionId)"), id));
    }

    function hold(OptionTerms memory t) internal {
        vm.prank(t.writer);
        note.createHold(saltOf(t), address(book), t.holder, t.face, t.exerciseUntil);
    }

    function write(OptionTerms memory t) internal returns (bytes32 id) {
        uint256 payment = book.paymentOf(t);
        if (t.kind == OptionKind.Call) {
            hold(t);
        } else {
            vm.prank(t.writer);
            usd.approve(address(book), payment);
        }
        vm.prank(t.writer);
        id = book.write(t);
    }

    function single(address token, address from, address to, uint256 amount, bytes32 context)
        internal
        view
        returns (Instruction memory made)
    {
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(token, from, to, amount);
        made = Instruction(legs, 0, type(uint64).max, uint256(keccak256(abi.encode(context, amount))), context, 0);
        made.planHash = planHash(context, legs);
    }

    function purchase(bytes32 id, uint256 premium) internal view returns (Instruction memory) {
        return single(address(usd), bob, address(book), premium, id);
    }

    /// @dev Bob exercises; the put's legs stand in ascending order of asset id.
    function exercising(bytes32 id) internal view returns (Instruction memory made) {
        IOptionBook.OptionState memory option = book.optionOf(id);
        bytes32 context = exerciseContext(id);
        if (option.kind == OptionKind.Call) return single(address(usd), bob, address(book), option.payment, context);
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(option.token, bob, option.writer, option.face);
        legs[1] = Leg(address(usd), address(book), bob, option.payment);
        made = Instruction(legs, 0, type(uint64).max, uint256(context), context, planHash(context, legs));
    }

    /// @dev Bob's signature, and an empty one of the book if it gives; in order of addresses.
    function signaturesOf(Instruction memory made) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](made.legs.length);
        uint256 place = made.legs.length == 2 && bob > address(book) ? 1 : 0;
        signatures[place] = signature(bobKey, digest(made));
    }

    function buy(bytes32 id, uint256 premium) internal {
        Instruction memory made = purchase(id, premium);
        book.buy(id, made, signaturesOf(made), signature(aliceKey, digest(made)));
    }

    function exercise(bytes32 id) internal {
        Instruction memory made = exercising(id);
        book.exercise(id, made, signaturesOf(made));
    }

    function statusOf(bytes32 id) internal view returns (IOptionBook.OptionStatus) {
        return book.optionOf(id).status;
    }
}
