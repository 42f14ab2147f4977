// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {Settlement} from "src/Settlement.sol";
import {Instruction} from "src/settlement/Instruction.sol";
import {Trade, TradeStatus} from "src/settlement/Trade.sol";
import {TradeBook} from "src/settlement/TradeBook.sol";
import {TradeDesk} from "./base/TradeDesk.sol";

/// @notice Trades wait for their date, settle once, whole or in allowed parts, and only as both signed.
contract TradeBookTest is TradeDesk {
    function status(bytes32 id) internal view returns (uint256) {
        return uint256(book.progressOf(id).status);
    }

    function test_it_settles_on_its_date_by_anyone() public {
        Trade memory trade = agreed(100, 99);
        bytes32 id = affirm(trade);
        vm.warp(OPENS - 1);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeTooEarly.selector, id, OPENS));
        book.settle(trade, 100, none());
        vm.warp(OPENS);
        vm.expectEmit(address(book));
        emit TradeBook.TradeSettled(id, 100, 99, 0);
        vm.prank(stranger);
        book.settle(trade, 100, none());
        assertSettledTimes(1);
        assertEq(status(id), uint256(TradeStatus.Settled), "settled");
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotOpen.selector, id, TradeStatus.Settled));
        book.settle(trade, 100, none());
    }

    function test_it_settles_late_until_the_deadline() public {
        (Trade memory first, Trade memory second) = (agreed(100, 99), agreed(100, 99));
        affirm(first);
        bytes32 id = affirm(second);
        vm.warp(first.deadline);
        book.settle(first, 100, none());
        vm.warp(first.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeLapsed.selector, id, second.deadline));
        book.settle(second, 100, none());
        assertSettledTimes(1);
    }

    /// @dev Any word of a trade that is changed after it was signed makes it another trade, which nobody signed.
    function testFuzz_only_what_both_signed(uint256 field, uint256 change) public {
        Trade memory trade = agreed(100, 99);
        (trade.lot, trade.minimum) = (10, 20);
        bytes32 id = book.idOf(trade);
        (bytes memory seller, bytes memory buyer) = (signature(aliceKey, id), signature(bobKey, id));
        bytes memory words = abi.encode(trade);
        field %= 14;
        uint256 width = field < 4 || field == 11 || field == 12 ? 160 : field == 13 ? 256 : field > 5 && field < 9 ? 64 : 128;
        change = width == 256 ? change | 1 : 1 + (change % (2 ** width - 1));
        assembly ("memory-safe") {
            let place := add(add(words, 0x20), mul(field, 0x20))
            mstore(place, xor(mload(place), change))
        }
        Trade memory forged = abi.decode(words, (Trade));
        vm.expectRevert();
        book.affirm(forged, seller, buyer);
        book.affirm(trade, seller, buyer);
        vm.warp(OPENS);
        vm.expectRevert();
        book.settle(forged, forged.face, none());
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeAlreadyAffirmed.selector, id));
        book.affirm(trade, seller, buyer);
    }

    function test_one_signature_is_not_enough() public {
        Trade memory trade = agreed(100, 99);
        bytes32 id = book.idOf(trade);
        (bytes memory seller, bytes memory buyer) = (signature(aliceKey, id), signature(bobKey, id));
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, id, bob));
        book.affirm(trade, seller, seller);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, id, alice));
        book.affirm(trade, buyer, buyer);
        vm.chainId(block.chainid + 1);
        vm.expectRevert();
        book.affirm(trade, seller, buyer);
    }

    /// @dev A party that has named no operator signs the instruction itself, when it settles.
    function test_without_an_operator_the_instruction_is_signed() public {
        vm.prank(bob);
        settlement.setOperator(address(book), false);
        Trade memory trade = agreed(100, 99);
        affirm(trade);
        vm.warp(OPENS);
        vm.expectPartialRevert(bytes4(keccak256("InvalidSignature(address)")));
        book.settle(trade, 100, none());
        Instruction memory instruction = book.instructionOf(trade, 100);
        bytes[] memory signatures = none();
        signatures[alice < bob ? 1 : 0] = signature(bobKey, digest(instruction));
        book.settle(trade, 100, signatures);
        assertSettledTimes(1);
    }

    /// @dev What an operator may not: settle for who has not named it, and nobody is the operator of a batch.
    function test_operators_are_contracts_named_by_the_giver() public {
        Instruction memory instruction = dvp(7);
        vm.prank(stranger);
        vm.expectPartialRevert(bytes4(keccak256("InvalidSignature(address)")));
        settlement.settle(instruction, none());
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidOperator.selector, address(settlement)));
        vm.prank(alice);
        settlement.setOperator(address(settlement), true);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidOperator.selector, stranger));
        vm.prank(alice);
        settlement.setOperator(stranger, true);
        Instruction[] memory batch = new Instruction[](1);
        bytes[][] memory lists = new bytes[][](1);
        (batch[0], lists[0]) = (instruction, none());
        vm.prank(address(book));
        settleMany(batch, lists);
        assertNothingMoved();
        assertTrue(settlement.isOperator(alice, address(book)), "named");
    }

    // --- parts --------------------------------------------------------------------------------------------------

    function test_whole_or_not_at_all_unless_both_allow_parts() public {
        Trade memory trade = agreed(100, 99);
        bytes32 id = affirm(trade);
        vm.warp(OPENS);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.PartialNotAllowed.selector, id, 99, 100, 0, 0));
        book.settle(trade, 99, none());
        vm.expectPartialRevert(TradeBook.PartialNotAllowed.selector);
        book.settle(trade, 101, none());
        vm.expectPartialRevert(TradeBook.PartialNotAllowed.selector);
        book.settle(trade, 0, none());
    }

    /// @dev However it is cut: never above the face, at least the minimum, whole lots, and the proceeds exactly.
    function testFuzz_parts_make_the_whole(uint128 face, uint128 proceeds, uint128 lot, uint128 minimum, uint256 seed) public {
        face = uint128(between(face, 1, 900_000));
        proceeds = uint128(between(proceeds, 1_000, 1_000_000));
        lot = uint128(between(lot, 1, face));
        minimum = uint128(between(minimum, lot, face));
        Trade memory trade = agreed(face, proceeds);
        (trade.lot, trade.minimum) = (lot, minimum);
        affirm(trade);
        vm.warp(OPENS);
        uint256 done;
        for (uint256 i = 0; i < 12 && done < face; ++i) {
            uint128 part = uint128(between(uint256(keccak256(abi.encode(seed, i))), 0, face - done + 1));
            if (i % 3 == 2) part = part / lot * lot;
            if (i == 11) part = uint128(face - done);
            bool allowed = part == face - done || (part >= minimum && part < face - done && part % lot == 0);
            uint256 cash = proceeds * (done + part) / face - proceeds * done / face;
            if (!allowed || cash == 0) {
                vm.expectRevert();
                book.settle(trade, part, none());
                continue;
            }
            book.settle(trade, part, none());
            done += part;
            assertEq(note.balanceOf(bob), done, "face");
            assertEq(usd.balanceOf(alice), proceeds * done / face, "the seller never has more than pro rata");
        }
        if (done == face) assertEq(usd.balanceOf(alice), proceeds, "exactly");
    }

    function test_the_rest_stays_open_after_a_shortage() public {
        Trade memory trade = agreed(100, 99);
        (trade.lot, trade.minimum) = (10, 20);
        bytes32 id = affirm(trade);
        freeze(note, alice, 1_000_000 - 40);
        vm.warp(OPENS);
        vm.expectPartialRevert(IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector);
        book.settle(trade, 100, none());
        assertEq(book.progressOf(id).settled, 0, "nothing happened");
        book.settle(trade, 40, none());
        assertEq(book.progressOf(id).settled, 40, "a part");
        assertEq(usd.balanceOf(alice), 39, "rounded down, for the buyer");
        freeze(note, alice, 0);
        book.settle(trade, 60, none());
        assertSettledTimes(1);
    }

    function test_a_buyer_who_is_short_stops_all_of_it() public {
        Trade memory trade = agreed(100, 1_000_001);
        affirm(trade);
        vm.warp(OPENS);
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientBalance.selector);
        book.settle(trade, 100, none());
        assertNothingMoved();
    }

    // --- ends ---------------------------------------------------------------------------------------------------

    function test_both_cancel_what_is_open() public {
        Trade memory trade = agreed(100, 99);
        (trade.lot, trade.minimum) = (10, 10);
        bytes32 id = affirm(trade);
        vm.warp(OPENS);
        bytes32 early = book.cancellationDigest(id, 0);
        book.settle(trade, 50, none());
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, id, alice));
        book.cancel(trade, signature(aliceKey, early), signature(bobKey, early));
        bytes32 hash = book.cancellationDigest(id, 50);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, id, bob));
        book.cancel(trade, signature(aliceKey, hash), signature(aliceKey, hash));
        vm.expectEmit(address(book));
        emit TradeBook.TradeCancelled(id, 50);
        cancelled(trade, 50);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotOpen.selector, id, TradeStatus.Cancelled));
        book.settle(trade, 50, none());
    }

    function test_invalid_trades() public {
        for (uint256 i = 0; i < 14; ++i) {
            Trade memory trade = agreed(100, 99);
            if (i == 0) trade.buyer = alice;
            if (i == 1) trade.cash = trade.asset;
            if (i == 2) trade.face = 0;
            if (i == 3) trade.proceeds = 0;
            if (i == 4) trade.closes = trade.opens - 1;
            if (i == 5) trade.deadline = trade.closes - 1;
            if (i == 6) (trade.opens, trade.closes, trade.deadline) = (0, 1, START - 1);
            if (i == 7) trade.minimum = 1;
            if (i == 8) trade.lot = 1;
            if (i == 9) (trade.lot, trade.minimum) = (2, 1);
            if (i == 10) (trade.lot, trade.minimum) = (1, 101);
            if (i == 11) trade.allocator = carol;
            if (i == 12) trade.asset = address(0xDEAD);
            if (i == 13) trade.cash = address(0xDEAD);
            bytes32 id = book.idOf(trade);
            (bytes memory seller, bytes memory buyer) = (signature(aliceKey, id), signature(keyOf(trade.buyer), id));
            vm.expectRevert(abi.encodeWithSelector(TradeBook.InvalidTrade.selector, id));
            book.affirm(trade, seller, buyer);
        }
    }

    /// @notice Its date may be one second, its last, and a part may be all of it.
    function test_a_trade_at_its_bounds() public {
        Trade memory trade = agreed(100, 99);
        (trade.opens, trade.closes, trade.deadline) = (START, START, START);
        (trade.lot, trade.minimum) = (100, 100);
        bytes32 id = affirm(trade);
        book.settle(trade, 100, none());
        assertEq(status(id), uint256(TradeStatus.Settled), "settled");
    }

    function test_the_least_part() public {
        Trade memory trade = agreed(100, 99);
        (trade.lot, trade.minimum) = (10, 20);
        bytes32 id = affirm(trade);
        vm.warp(OPENS);
        book.settle(trade, 20, none());
        vm.expectRevert(abi.encodeWithSelector(TradeBook.PartialNotAllowed.selector, id, 10, 80, 20, 10));
        book.settle(trade, 10, none());
    }

    function test_only_the_clearer_that_both_named_novates() public {
        Trade memory trade = agreed(100, 99);
        bytes32 id = affirm(trade);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.NotClearer.selector, id, stranger));
        vm.prank(stranger);
        book.novate(trade);
        Trade memory cleared = agreed(100, 99);
        cleared.clearer = stranger;
        id = affirm(cleared);
        vm.prank(stranger);
        (uint128 face, uint128 cash) = book.novate(cleared);
        assertEq(face, 100, "face");
        assertEq(cash, 99, "cash");
        vm.expectPartialRevert(TradeBook.TradeNotOpen.selector);
        book.settle(cleared, 100, none());
    }

    /// @notice What has settled is not owed to the clearer again: only the rest is his to take over.
    function test_a_clearer_takes_over_what_is_open_after_a_part() public {
        Trade memory trade = agreed(100, 99);
        (trade.clearer, trade.minimum, trade.lot) = (stranger, 10, 10);
        bytes32 id = affirm(trade);
        vm.warp(OPENS);
        book.settle(trade, 30, none());
        vm.expectEmit(address(book));
        emit TradeBook.TradeNovated(id, stranger, 70, 70);
        vm.prank(stranger);
        (uint128 face, uint128 cash) = book.novate(trade);
        assertEq(face, 70, "100 less 30");
        assertEq(cash, 70, "99 less 29, which is 99 x 30 / 100 rounded down");
        vm.expectPartialRevert(TradeBook.TradeNotOpen.selector);
        book.settle(trade, 70, none());
    }

    // --- blocks -------------------------------------------------------------------------------------------------

    function block_(uint128 face, uint128 proceeds) internal returns (Trade memory trade) {
        trade = agreed(face, proceeds);
        trade.allocator = bob;
        affirm(trade);
    }

    /// @notice What the allocator signs, by EIP-712 and nothing of the book's own: this trade, these accounts and faces.
    function test_an_allocation_s_digest() public view {
        address[] memory accounts = new address[](2);
        uint128[] memory faces = new uint128[](2);
        (accounts[0], accounts[1], faces[0], faces[1]) = (carol, bob, 7, 9);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("tbill_defi TradeBook"),
                keccak256("1"),
                block.chainid,
                address(book)
            )
        );
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Allocation(bytes32 tradeId,address[] accounts,uint128[] faces)"),
                bytes32("trade"),
                keccak256(abi.encode(carol, bob)),
                keccak256(abi.encode(7, 9))
            )
        );
        bytes32 digest_ = keccak256(abi.encodePacked(hex"1901", domain, hash));
        assertEq(book.allocationDigest("trade", accounts, faces), digest_, "digest");
    }

    function split(
        Trade memory trade,
        uint128[] memory faces
    ) internal view returns (TradeBook.Allotment[] memory allotments, bytes memory sign_) {
        address[] memory accounts = new address[](faces.length);
        allotments = new TradeBook.Allotment[](faces.length);
        uint128 allocated;
        for (uint256 i = 0; i < faces.length; ++i) {
            accounts[i] = i % 2 == 0 ? carol : bob;
            Trade memory child = book.childOf(trade, i, accounts[i], allocated, faces[i]);
            bytes memory consent = signature(keyOf(accounts[i]), book.idOf(child));
            allotments[i] = TradeBook.Allotment(accounts[i], faces[i], consent);
            allocated += faces[i];
        }
        sign_ = signature(bobKey, book.allocationDigest(book.idOf(trade), accounts, faces));
    }

    /// @dev Whatever the split, the accounts together take the face and pay the proceeds, to the unit.
    function testFuzz_a_block_is_its_allocations(uint128 first, uint128 second, uint128 proceeds) public {
        Trade memory trade = block_(30_000, uint128(between(proceeds, 30_000, 900_000)));
        uint128[] memory faces = new uint128[](3);
        faces[0] = uint128(between(first, 1, 29_998));
        faces[1] = uint128(between(second, 1, 29_999 - faces[0]));
        faces[2] = 30_000 - faces[0] - faces[1];
        (TradeBook.Allotment[] memory allotments, bytes memory sign_) = split(trade, faces);
        issueCash(usd, carol, 1_000_000);
        bytes32[] memory children = book.allocate(trade, allotments, sign_);
        assertEq(status(book.idOf(trade)), uint256(TradeStatus.Allocated), "the block has ended");
        vm.warp(OPENS);
        uint128 allocated;
        for (uint256 i = 0; i < 3; ++i) {
            Trade memory child = book.childOf(trade, i, allotments[i].account, allocated, faces[i]);
            assertEq(book.idOf(child), children[i], "named");
            book.settle(child, faces[i], none());
            allocated += faces[i];
        }
        assertEq(note.balanceOf(carol) + note.balanceOf(bob), 30_000, "face");
        assertEq(usd.balanceOf(alice), trade.proceeds, "proceeds");
        vm.expectPartialRevert(TradeBook.TradeNotOpen.selector);
        book.settle(trade, 30_000, none());
    }

    function test_allocations_sum_to_the_block_and_are_signed() public {
        Trade memory trade = block_(100, 99);
        bytes32 id = book.idOf(trade);
        uint128[] memory faces = new uint128[](2);
        for (uint256 i = 0; i < 2; ++i) {
            (faces[0], faces[1]) = (60, i == 0 ? 39 : 41);
            (TradeBook.Allotment[] memory a, bytes memory s) = split(trade, faces);
            vm.expectRevert(abi.encodeWithSelector(TradeBook.AllocationMismatch.selector, id, 60 + faces[1], 100));
            book.allocate(trade, a, s);
        }
        faces[1] = 40;
        (TradeBook.Allotment[] memory allotments, bytes memory sign_) = split(trade, faces);
        address[] memory accounts = new address[](2);
        (accounts[0], accounts[1]) = (allotments[0].account, allotments[1].account);
        bytes memory others = signature(aliceKey, book.allocationDigest(id, accounts, faces));
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, id, bob));
        book.allocate(trade, allotments, others);
        bytes memory consent = allotments[0].consent;
        allotments[0].consent = allotments[1].consent;
        vm.expectPartialRevert(TradeBook.TradeNotSigned.selector); // carol never agreed to pay
        book.allocate(trade, allotments, sign_);
        allotments[0].consent = consent;
        book.allocate(trade, allotments, sign_);
        vm.expectPartialRevert(TradeBook.TradeNotOpen.selector);
        book.allocate(trade, allotments, sign_);
    }

    /// @notice Attack: the other root of a signature, its compact form, none: no deed takes them for the signature.
    function test_signatures_in_another_shape() public {
        Trade memory trade = agreed(100, 99);
        trade.allocator = bob;
        bytes32 id = book.idOf(trade);
        for (uint256 i = 0; i < 3; ++i) {
            _refused(id, alice, abi.encodeCall(book.affirm, (trade, _shaped(i, aliceKey, id), signature(bobKey, id))));
            _refused(id, bob, abi.encodeCall(book.affirm, (trade, signature(aliceKey, id), _shaped(i, bobKey, id))));
        }
        affirm(trade);
        (TradeBook.Allotment[] memory allotments, bytes32 allocation) = _inTwo(trade);
        bytes32 end = book.cancellationDigest(id, 0);
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory shaped = _shaped(i, aliceKey, end);
            _refused(id, alice, abi.encodeCall(book.cancel, (trade, shaped, signature(bobKey, end))));
            shaped = _shaped(i, bobKey, end);
            _refused(id, bob, abi.encodeCall(book.cancel, (trade, signature(aliceKey, end), shaped)));
            _refused(id, bob, abi.encodeCall(book.allocate, (trade, allotments, _shaped(i, bobKey, allocation))));
        }
        bytes memory consent = allotments[0].consent;
        bytes32 child = book.idOf(book.childOf(trade, 0, carol, 0, 60));
        for (uint256 i = 0; i < 3; ++i) {
            allotments[0].consent = _shaped(i, carolKey, child);
            _refused(
                child, carol, abi.encodeCall(book.allocate, (trade, allotments, signature(bobKey, allocation)))
            );
        }
        allotments[0].consent = consent;
        book.allocate(trade, allotments, signature(bobKey, allocation));
    }

    /// @notice Attack: what was signed for this book and chain is brought to another.
    function test_signatures_for_another_chain_or_book() public {
        Trade memory trade = agreed(100, 99);
        trade.allocator = bob;
        bytes32 id = affirm(trade);
        (TradeBook.Allotment[] memory allotments, bytes32 allocation) = _inTwo(trade);
        bytes32 end = book.cancellationDigest(id, 0);
        (bytes memory seller, bytes memory buyer) = (signature(aliceKey, id), signature(bobKey, id));
        TradeBook twin = new TradeBook(settlement);
        vm.expectPartialRevert(TradeBook.TradeNotSigned.selector);
        twin.affirm(trade, seller, buyer);
        bytes32 there = twin.idOf(trade);
        twin.affirm(trade, signature(aliceKey, there), signature(bobKey, there));
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, there, alice));
        twin.cancel(trade, signature(aliceKey, end), signature(bobKey, end));
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, there, bob));
        twin.allocate(trade, allotments, signature(bobKey, allocation));
        // a fork of the chain has the trade under the name of before, and knows it by another
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(TradeBook.TradeNotOpen.selector);
        book.cancel(trade, signature(aliceKey, end), signature(bobKey, end));
        vm.expectPartialRevert(TradeBook.TradeNotOpen.selector);
        book.allocate(trade, allotments, signature(bobKey, allocation));
        vm.expectPartialRevert(TradeBook.TradeNotSigned.selector);
        book.affirm(trade, seller, buyer);
    }

    /// @notice Attack: a trade that is over is affirmed again by the signatures of the first time.
    function test_a_trade_that_is_over_is_not_affirmed_again() public {
        Trade memory cancelled_ = agreed(100, 99);
        affirm(cancelled_);
        cancelled(cancelled_, 0);
        Trade memory settled = agreed(100, 99);
        affirm(settled);
        vm.warp(OPENS);
        book.settle(settled, 100, none());
        Trade[2] memory over = [cancelled_, settled];
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 id = book.idOf(over[i]);
            vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeAlreadyAffirmed.selector, id));
            book.affirm(over[i], signature(aliceKey, id), signature(bobKey, id));
        }
    }

    function _inTwo(Trade memory trade) private view returns (TradeBook.Allotment[] memory allotments, bytes32 hash) {
        uint128[] memory faces = new uint128[](2);
        (faces[0], faces[1]) = (60, 40);
        (allotments, ) = split(trade, faces);
        address[] memory accounts = new address[](2);
        (accounts[0], accounts[1]) = (allotments[0].account, allotments[1].account);
        hash = book.allocationDigest(book.idOf(trade), accounts, faces);
    }

    function _shaped(uint256 shape, uint256 key, bytes32 hash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        if (shape == 0) return bent(v, r, s);
        return shape == 1 ? compact(v, r, s) : bytes("");
    }

    function _refused(bytes32 id, address party, bytes memory data) private {
        (bool success, bytes memory given) = address(book).call(data);
        assertFalse(success, "accepted");
        assertEq(given, abi.encodeWithSelector(TradeBook.TradeNotSigned.selector, id, party), "reason");
    }

    function test_a_block_that_nobody_may_allocate() public {
        Trade memory trade = agreed(100, 99);
        bytes32 id = affirm(trade);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.NotAllocable.selector, id));
        book.allocate(trade, new TradeBook.Allotment[](0), "");
    }
}
