// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AuctionBook} from "src/life/AuctionBook.sol";
import {Roles} from "src/Roles.sol";
import {LifeDesk} from "./base/LifeDesk.sol";

/// @notice Who may seal what until when, and the one result.
contract AuctionBookTest is LifeDesk {
    uint64 private constant NONCOMPETITIVE = START + 1 hours;
    uint64 private constant COMPETITIVE = START + 2 hours;
    AuctionBook private _book;
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _book = new AuctionBook(address(manager), identities);
        map(address(_book), AuctionBook.announce.selector, Roles.ISSUER);
        map(address(_book), AuctionBook.close.selector, Roles.ISSUER);
        vm.prank(issuer);
        _id = _book.announce("912797ZZ1", "terms", NONCOMPETITIVE, COMPETITIVE);
    }

    function _seal(address who, bytes32 commitment, bool competitive) private {
        vm.prank(who);
        _book.seal(_id, commitment, competitive);
    }

    function test_bids_are_sealed_until_their_close() public {
        _seal(alice, "a", true);
        _seal(bob, "b", false);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.BidAlreadySealed.selector, alice, bytes32("a")));
        _seal(alice, "a", true);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.WalletNotRegistered.selector, stranger));
        _seal(stranger, "s", true);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.BidNotSealed.selector, bob, bytes32("a")));
        vm.prank(bob);
        _book.withdraw(_id, "a");
        vm.warp(NONCOMPETITIVE);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.BiddingClosed.selector, _id, NONCOMPETITIVE));
        _seal(carol, "c", false);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.BiddingClosed.selector, _id, NONCOMPETITIVE));
        vm.prank(bob);
        _book.withdraw(_id, "b");
        vm.warp(COMPETITIVE - 1);
        _seal(carol, "c", true);
        vm.prank(alice);
        _book.withdraw(_id, "a");
        assertEq(_book.auctionOf(_id).sealedBids, 2, "bob's and carol's");
        (bool isSealed, bool competitive) = _book.sealOf(_id, carol, "c");
        assertTrue(isSealed, "sealed");
        assertTrue(competitive, "competitive");
        vm.warp(COMPETITIVE);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.BiddingClosed.selector, _id, COMPETITIVE));
        _seal(carol, "d", true);
    }

    function test_only_the_issuer_announces() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        _book.announce("912797ZZ1", "other terms", NONCOMPETITIVE, COMPETITIVE);
    }

    function test_one_result_after_the_close() public {
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.BiddingOpen.selector, _id, COMPETITIVE));
        _close(issuer, "r");
        vm.warp(COMPETITIVE);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        _close(stranger, "r");
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.ResultWithoutHash.selector, _id));
        _close(issuer, 0);
        _close(issuer, "r");
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.AuctionAlreadyClosed.selector, _id, bytes32("r")));
        _close(issuer, "q");
    }

    function _close(address who, bytes32 result) private {
        vm.prank(who);
        _book.close(_id, result);
    }

    function test_announced_once_and_soundly() public {
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.AuctionAlreadyAnnounced.selector, _id));
        vm.prank(issuer);
        _book.announce("912797ZZ1", "terms", NONCOMPETITIVE, COMPETITIVE);
        vm.expectRevert();
        vm.prank(issuer);
        _book.announce("912797ZZ1", "other", COMPETITIVE, NONCOMPETITIVE);
        vm.expectRevert();
        vm.prank(issuer);
        _book.announce("912797ZZ1", "other", START, COMPETITIVE);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.AuctionUnknown.selector, bytes32("x")));
        vm.prank(issuer);
        _book.close("x", "r");
    }

    function test_a_wallet_seals_so_many_bids() public {
        for (uint256 i = 1; i <= 64; ++i) _seal(alice, bytes32(i), true);
        vm.expectRevert(abi.encodeWithSelector(AuctionBook.TooManyBids.selector, alice, 64));
        _seal(alice, "more", true);
        vm.prank(alice);
        _book.withdraw(_id, bytes32(uint256(1)));
        _seal(alice, "more", true);
    }
}
