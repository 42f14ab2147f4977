// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Stripping} from "src/life/Stripping.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Roles} from "src/Roles.sol";
import {LifeDesk} from "./base/LifeDesk.sol";

/// @notice Stripping and reconstitution of a bond of two coupons, 3/200 of face each.
contract StrippingTest is LifeDesk {
    uint64 private constant FIRST = START + 30 days;
    uint64 private constant LAST = START + 60 days;
    Stripping private _desk;
    SecurityToken[3] private _strips;

    function setUp() public override {
        super.setUp();
        _desk = new Stripping(address(manager), issuance);
        manager.grantRole(Roles.ISSUER, address(_desk), 0);
        map(address(_desk), Stripping.namePieces.selector, Roles.ISSUER);
        map(address(_desk), Stripping.seize.selector, Roles.ENFORCER);
        security = createMaturing("912810ZZ1", LAST);
        _strips[0] = createMaturing("912833ZZ1", FIRST);
        _strips[1] = createMaturing("912833ZZ2", LAST);
        _strips[2] = createMaturing("912803ZZ3", LAST);
        vm.prank(issuer);
        _desk.namePieces(security, _pieces());
        issue(security, alice, 1_000);
    }

    function _pieces() private view returns (Stripping.Piece[] memory pieces) {
        pieces = new Stripping.Piece[](3);
        pieces[0] = Stripping.Piece(_strips[0], 3, 200);
        pieces[1] = Stripping.Piece(_strips[1], 3, 200);
        pieces[2] = Stripping.Piece(_strips[2], 1, 1);
    }

    function _assertPieces(uint256 first, uint256 second, uint256 principal) private view {
        assertEq(_strips[0].balanceOf(alice), first, "first coupon");
        assertEq(_strips[1].balanceOf(alice), second, "second coupon");
        assertEq(_strips[2].balanceOf(alice), principal, "principal");
    }

    function test_there_and_back() public {
        vm.prank(alice);
        bytes32 id = _desk.strip(security, 600, 1);
        assertEq(security.balanceOf(alice), 400, "destroyed at once");
        _assertPieces(9, 0, 0);
        vm.prank(stranger); // anyone may deliver
        _desk.carryOn(id, 10);
        _assertPieces(9, 9, 600);
        vm.expectRevert(abi.encodeWithSelector(Stripping.ActIsOver.selector, id));
        _desk.carryOn(id, 1);
        vm.prank(alice);
        id = _desk.reconstitute(security, 200, 2);
        _assertPieces(6, 6, 600);
        assertEq(security.balanceOf(alice), 400, "created last");
        vm.expectRevert(abi.encodeWithSelector(Stripping.NotActHolder.selector, id, alice));
        vm.prank(bob);
        _desk.carryOn(id, 1);
        vm.prank(alice);
        _desk.carryOn(id, 1);
        _assertPieces(6, 6, 400);
        assertEq(security.balanceOf(alice), 600, "whole again");
    }

    function test_a_payment_that_was_made_is_no_piece() public {
        vm.warp(FIRST);
        vm.prank(alice);
        _desk.strip(security, 200, 10);
        _assertPieces(0, 3, 200);
        vm.prank(alice);
        _desk.reconstitute(security, 200, 10);
        _assertPieces(0, 0, 0);
        assertEq(security.balanceOf(alice), 1_000, "whole");
    }

    function test_the_second_before_a_payment_is_in_time() public {
        vm.prank(alice);
        _desk.strip(security, 400, 10);
        vm.prank(alice);
        bytes32 id = _desk.reconstitute(security, 400, 2);
        vm.warp(FIRST - 1);
        vm.prank(alice);
        _desk.carryOn(id, 1);
        assertEq(security.balanceOf(alice), 1_000, "put together");
        vm.prank(alice);
        _desk.strip(security, 200, 10);
        _assertPieces(3, 3, 200);
    }

    /// @notice The interest of a payment date is paid once: by the bond or by its strip.
    function test_reconstitution_ends_before_a_payment() public {
        vm.prank(alice);
        _desk.strip(security, 600, 10);
        vm.prank(alice);
        bytes32 id = _desk.reconstitute(security, 600, 2);
        vm.warp(FIRST);
        vm.expectRevert(abi.encodeWithSelector(Stripping.PaymentDatePassed.selector, id, FIRST));
        vm.prank(alice);
        _desk.carryOn(id, 1);
        vm.expectRevert(abi.encodeWithSelector(Stripping.NotActHolder.selector, id, alice));
        vm.prank(bob);
        _desk.giveUp(id);
        vm.prank(alice);
        _desk.giveUp(id);
        _desk.carryOn(id, 10);
        _assertPieces(9, 9, 600);
        vm.expectRevert(abi.encodeWithSelector(Stripping.NotReconstituting.selector, id));
        vm.prank(alice);
        _desk.giveUp(id);
        assertEq(security.balanceOf(alice), 400, "no bond");
    }

    function _seize(bytes32 id, address to) private {
        vm.prank(enforcer);
        _desk.seize(id, to);
    }

    /// @notice Of what a sanctioned holder took apart the enforcer gives to another what was not delivered yet.
    function test_what_is_to_come_of_a_sanctioned_holders_act_is_seized() public {
        vm.prank(alice);
        bytes32 id = _desk.strip(security, 600, 1);
        setSanctioned("alice", true);
        vm.expectRevert();
        _desk.carryOn(id, 10);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, bob));
        vm.prank(bob);
        _desk.seize(id, bob);
        vm.expectEmit(address(_desk));
        emit Stripping.ActSeized(id, alice, bob);
        _seize(id, bob);
        _desk.carryOn(id, 10);
        _assertPieces(9, 0, 0);
        assertEq(_strips[1].balanceOf(bob), 9, "coupon");
        assertEq(_strips[2].balanceOf(bob), 600, "principal");
        vm.expectRevert(abi.encodeWithSelector(Stripping.ActIsOver.selector, id));
        _seize(id, alice);
    }

    /// @notice Pieces that he had brought in are given up to whom they were given, and to him alone.
    function test_what_was_brought_in_is_seized() public {
        vm.startPrank(alice);
        _desk.strip(security, 600, 10);
        bytes32 id = _desk.reconstitute(security, 200, 2);
        vm.stopPrank();
        setSanctioned("alice", true);
        _seize(id, bob);
        vm.expectRevert(abi.encodeWithSelector(Stripping.NotActHolder.selector, id, bob));
        vm.prank(alice);
        _desk.giveUp(id);
        vm.prank(bob);
        _desk.giveUp(id);
        _desk.carryOn(id, 10);
        _assertPieces(6, 6, 600);
        assertEq(_strips[0].balanceOf(bob), 3, "first");
        assertEq(_strips[1].balanceOf(bob), 3, "second");
        assertEq(security.balanceOf(alice) + security.balanceOf(bob), 400, "no bond");
    }

    function test_giving_up_gives_no_piece_that_was_paid_before() public {
        vm.prank(alice);
        _desk.strip(security, 600, 10);
        vm.warp(FIRST + 1);
        vm.prank(alice);
        bytes32 id = _desk.reconstitute(security, 200, 1);
        _assertPieces(9, 6, 600);
        vm.prank(alice);
        _desk.giveUp(id);
        _desk.carryOn(id, 10);
        _assertPieces(9, 9, 600);
    }

    function test_refusals() public {
        vm.expectRevert(abi.encodeWithSelector(Stripping.FractionOfUnit.selector, address(_strips[0]), 100));
        vm.prank(alice);
        _desk.strip(security, 100, 10);
        vm.expectRevert(Stripping.NothingToStrip.selector);
        vm.prank(alice);
        _desk.strip(security, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(Stripping.PiecesNotNamed.selector, address(_strips[2])));
        vm.prank(alice);
        _desk.strip(_strips[2], 200, 10);
        vm.expectRevert(); // more than she has
        vm.prank(alice);
        _desk.strip(security, 1_200, 10);
        vm.expectRevert(); // no strips
        vm.prank(alice);
        _desk.reconstitute(security, 200, 10);
        Stripping.Piece[] memory pieces = _pieces();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        _desk.namePieces(security, pieces);
        vm.expectRevert(abi.encodeWithSelector(Stripping.PiecesAlreadyNamed.selector, address(security)));
        vm.prank(issuer);
        _desk.namePieces(security, pieces);
        SecurityToken other = createMaturing("912810ZZ2", LAST + 1);
        vm.expectRevert(abi.encodeWithSelector(Stripping.InvalidPieces.selector, address(other), 2));
        vm.prank(issuer);
        _desk.namePieces(other, pieces);
        pieces[2].numerator = 2;
        vm.expectRevert(abi.encodeWithSelector(Stripping.InvalidPieces.selector, address(other), 2));
        vm.prank(issuer);
        _desk.namePieces(other, pieces);
        vm.warp(LAST);
        vm.expectRevert(abi.encodeWithSelector(Stripping.SecurityEnded.selector, address(security), LAST));
        vm.prank(alice);
        _desk.strip(security, 200, 10);
    }

    /// @notice Whatever is taken apart and put together in whatever steps, a bond and its strips are worth the same.
    function test_pieces_that_are_none() public {
        SecurityToken other = createMaturing("912810ZZ2", LAST);
        _refused(other, new Stripping.Piece[](0), 0);
        _refused(other, new Stripping.Piece[](65), 65);
        Stripping.Piece[] memory pieces = _pieces();
        pieces[0].numerator = 0;
        _refused(other, pieces, 0);
        pieces = _pieces();
        pieces[1].numerator = 201;
        _refused(other, pieces, 1);
        pieces = _pieces();
        (pieces[0], pieces[1]) = (pieces[1], pieces[0]);
        _refused(other, pieces, 1);
        pieces = new Stripping.Piece[](64);
        for (uint256 i = 0; i < 63; ++i) pieces[i] = Stripping.Piece(_strips[0], 1, 1);
        pieces[63] = Stripping.Piece(_strips[2], 1, 1);
        vm.prank(issuer);
        _desk.namePieces(other, pieces);
    }

    function _refused(SecurityToken bond, Stripping.Piece[] memory pieces, uint256 which) private {
        vm.expectRevert(abi.encodeWithSelector(Stripping.InvalidPieces.selector, address(bond), which));
        vm.prank(issuer);
        _desk.namePieces(bond, pieces);
    }

    function testFuzz_I10_nothing_is_gained_or_lost(uint88 face, uint16 steps, uint16 back, bool gaveUp) public {
        face = uint88(between(face, 1, 5)) * 200;
        (steps, back) = (uint16(between(steps, 0, 4)), uint16(between(back, 0, 2)));
        vm.prank(alice);
        bytes32 id = _desk.strip(security, face, steps);
        if (steps < 3) _desk.carryOn(id, 3);
        vm.prank(alice);
        id = _desk.reconstitute(security, face, back);
        if (gaveUp) {
            vm.prank(alice);
            _desk.giveUp(id);
        }
        vm.prank(alice);
        if (!gaveUp || back != 0) _desk.carryOn(id, 3);
        uint256 interest = gaveUp ? (uint256(face) * 3) / 200 : 0;
        _assertPieces(interest, interest, gaveUp ? face : 0);
        assertEq(security.totalSupply(), gaveUp ? 1_000 - face : 1_000, "bond");
    }
}
