// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Instruction} from "src/settlement/Instruction.sol";
import {Trade} from "src/settlement/Trade.sol";
import {TradeBook} from "src/settlement/TradeBook.sol";
import {Desk} from "./Desk.sol";

/// @notice Alice sells notes to Bob for dollars, a day from now.
abstract contract TradeDesk is Desk {
    uint64 internal constant OPENS = START + 1 days;
    uint64 internal constant CLOSES = START + 2 days - 1;

    TradeBook internal book;
    uint256 internal lastTrade;

    function setUp() public virtual override {
        super.setUp();
        book = new TradeBook(settlement);
        operate(alice, address(book));
        operate(bob, address(book));
        operate(carol, address(book));
    }

    function operate(address party, address operator) internal {
        vm.prank(party);
        settlement.setOperator(operator, true);
    }

    function agreed(uint128 face, uint128 proceeds) internal returns (Trade memory trade) {
        trade.seller = alice;
        trade.buyer = bob;
        trade.asset = address(note);
        trade.cash = address(usd);
        (trade.face, trade.proceeds) = (face, proceeds);
        (trade.opens, trade.closes, trade.deadline) = (OPENS, CLOSES, CLOSES + 30 days);
        trade.nonce = ++lastTrade;
    }

    function keyOf(address party) internal view returns (uint256) {
        return party == alice ? aliceKey : party == bob ? bobKey : carolKey;
    }

    function affirm(Trade memory trade) internal returns (bytes32 id) {
        id = book.idOf(trade);
        return book.affirm(trade, signature(keyOf(trade.seller), id), signature(keyOf(trade.buyer), id));
    }

    function none() internal pure returns (bytes[] memory) {
        return new bytes[](2);
    }

    function cancelled(Trade memory trade, uint128 settled) internal {
        bytes32 hash = book.cancellationDigest(book.idOf(trade), settled);
        book.cancel(trade, signature(keyOf(trade.seller), hash), signature(keyOf(trade.buyer), hash));
    }
}
