// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "src/interfaces/IOptionBook.sol";
import {OptionKind, OptionTerms} from "src/option/OptionTerms.sol";
import {Instruction} from "src/settlement/Instruction.sol";
import {OptionDesk} from "./base/OptionDesk.sol";

/// @notice Options written, sold, exercised, expired and withdrawn in any order, collateral traded in between.
contract OptionHandler is OptionDesk {
    bytes32[] public ids;
    uint256 public ends;

    constructor() {
        setUp();
    }

    /// @dev Once: the fuzzer may call it too.
    function setUp() public override {
        if (address(book) == address(0)) super.setUp();
    }

    function open(bool isCall, uint256 face, uint64 strike, uint32 wait) external {
        OptionTerms memory t = terms(isCall ? OptionKind.Call : OptionKind.Put);
        t.face = uint88(between(face, 1, 300_000));
        t.strikeE6 = uint64(between(strike, 1, 200_000_000));
        uint64 shift = uint64(block.timestamp - START + between(wait, 0, 3 days));
        (t.settlementDate, t.exerciseFrom, t.exerciseUntil) = (START + shift, START + shift, START + shift + 12 hours);
        t.schedule.couponE9 = 0;
        t.salt = ids.length;
        if (isCall ? note.availableOf(alice) < t.face : usd.balanceOf(alice) < book.paymentOf(t)) return;
        ids.push(write(t));
    }

    function sell(uint256 which, uint256 premium) external {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        Instruction memory made = purchase(id, between(premium, 1, 5_000));
        try book.buy(id, made, signaturesOf(made), signature(aliceKey, digest(made))) {} catch {}
    }

    function use(uint256 which) external {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        Instruction memory made = exercising(id);
        try book.exercise(id, made, signaturesOf(made)) {
            ++ends;
        } catch {}
    }

    function end(uint256 which, bool byWriter) external {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        vm.prank(alice);
        if (byWriter) {
            try book.withdraw(id) {
                ++ends;
            } catch {}
        } else {
            try book.expire(id) {
                ++ends;
            } catch {}
        }
    }

    function trade(bool fromWriter, uint256 amount) external {
        (address from, address to) = fromWriter ? (alice, bob) : (bob, alice);
        amount = between(amount, 0, note.availableOf(from));
        vm.prank(from);
        note.transfer(to, amount);
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 0, 1 days));
    }

    /// @dev Collateral of live options: (face on hold, cash in the book, ended options).
    function live() external view returns (uint256 face, uint256 payments, uint256 ended) {
        for (uint256 i = 0; i < ids.length; ++i) {
            IOptionBook.OptionState memory option = book.optionOf(ids[i]);
            if (option.status == IOptionBook.OptionStatus.Written || option.status == IOptionBook.OptionStatus.Open) {
                if (option.kind == OptionKind.Call) face += option.face;
                else payments += option.payment;
            } else {
                ++ended;
            }
        }
    }

    function held() external view returns (uint256) {
        return note.heldOf(alice);
    }

    function cashInBook() external view returns (uint256, uint256) {
        return (usd.balanceOf(address(book)), book.escrowed());
    }

    function totals() external view returns (uint256 securities, uint256 money) {
        securities = note.balanceOf(alice) + note.balanceOf(bob);
        money = usd.balanceOf(alice) + usd.balanceOf(bob) + usd.balanceOf(address(book));
    }
}

/// @notice I7 for options: collateral is what live options need, and each ends exactly once.
contract OptionBookInvariantTest is OptionDesk {
    OptionHandler private _handler;

    function setUp() public override {
        vm.warp(START);
        _handler = new OptionHandler();
        targetContract(address(_handler));
    }

    function invariant_I7_collateral_is_what_live_options_need() public view {
        (uint256 face, uint256 payments, uint256 ended) = _handler.live();
        assertEq(_handler.held(), face, "I7: units on hold");
        (uint256 inBook, uint256 escrowed) = _handler.cashInBook();
        assertEq(inBook, payments, "I7: cash in the book");
        assertEq(escrowed, payments, "I7: escrowed");
        assertEq(_handler.ends(), ended, "I7: each ends once");
    }

    function invariant_I1_nothing_is_made_or_lost() public view {
        (uint256 securities, uint256 money) = _handler.totals();
        assertEq(securities, 2_000_000, "I1: securities");
        assertEq(money, 2_000_000, "I1: cash");
    }
}
