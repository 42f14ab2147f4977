// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ClearingHouse} from "src/settlement/ClearingHouse.sol";
import {Trade, TradeStatus} from "src/settlement/Trade.sol";
import {TradeBook} from "src/settlement/TradeBook.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {TradeDesk} from "./base/TradeDesk.sol";

/// @notice Four members deal in two securities, and a central counterparty steps between them.
abstract contract ClearingDesk is TradeDesk {
    address internal ccp = address(0xCC9);
    address[4] internal members;
    SecurityToken[2] internal bonds;
    ClearingHouse internal house;
    mapping(address => uint256) private _keys;

    function setUp() public virtual override {
        super.setUp();
        enrol("ccp", ccp);
        house = new ClearingHouse(settlement, book, ccp);
        operate(ccp, address(house));
        bonds = [note, createSecurity("91282CQE4")];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 key = 0xFEE0 + i;
            members[i] = vm.addr(key);
            _keys[members[i]] = key;
            enrol(bytes32(bytes1(uint8(0x61 + i))), members[i]);
            operate(members[i], address(house));
            issueCash(usd, members[i], 1_000_000_000);
            for (uint256 k = 0; k < 2; ++k) issue(bonds[k], members[i], 1_000_000);
        }
    }

    function cleared(uint256 seller, uint256 buyer, uint256 bond, uint128 face, uint128 proceeds) internal returns (Trade memory trade) {
        trade = agreed(face, proceeds);
        (trade.seller, trade.buyer) = (members[seller % 4], members[buyer % 4]);
        trade.asset = address(bonds[bond % 2]);
        trade.clearer = address(house);
        bytes32 id = book.idOf(trade);
        book.affirm(trade, signature(_keys[trade.seller], id), signature(_keys[trade.buyer], id));
    }

    function novate(Trade memory trade) internal {
        Trade[] memory trades = new Trade[](1);
        trades[0] = trade;
        vm.prank(ccp);
        house.novate(trades);
    }

    function owed(uint256 member, uint256 bond) internal view returns (int256 face, int256 cash) {
        ClearingHouse.Obligation memory found = house.obligationOf(OPENS, address(bonds[bond]), address(usd), members[member]);
        return (found.face, found.cash);
    }

    /// @dev Every obligation that is not nil, whole, ascending by member.
    function everything() internal view returns (ClearingHouse.Line[] memory lines) {
        uint256[4] memory order = [uint256(0), 1, 2, 3];
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 k = i + 1; k < 4; ++k) {
                if (members[order[k]] < members[order[i]]) (order[i], order[k]) = (order[k], order[i]);
            }
        }
        lines = new ClearingHouse.Line[](8);
        uint256 count;
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 bond = 0; bond < 2; ++bond) {
                (int256 face, int256 cash) = owed(order[i], bond);
                if (face == 0 && cash == 0) continue;
                uint128 whole = uint128(uint256(face < 0 ? -face : face));
                lines[count++] = ClearingHouse.Line(members[order[i]], address(bonds[bond]), whole);
            }
        }
        assembly ("memory-safe") {
            mstore(lines, count)
        }
    }

    function settleNet(ClearingHouse.Line[] memory lines) internal {
        vm.prank(ccp);
        house.settle(OPENS, address(usd), lines);
    }

    function one(uint256 member, uint256 bond, uint128 face) internal view returns (ClearingHouse.Line[] memory lines) {
        lines = new ClearingHouse.Line[](1);
        lines[0] = ClearingHouse.Line(members[member], address(bonds[bond]), face);
    }
}

contract ClearingHouseTest is ClearingDesk {
    /// @dev Whatever was traded: nets sum to zero, and settling them leaves everyone as the gross trades would have.
    function testFuzz_gross_and_net_are_one(uint256 seed) public {
        int256[4][3] memory gross; // by bond, and cash
        for (uint256 i = 0; i < 10; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            (uint256 seller, uint256 bond) = (word % 4, (word >> 8) % 2);
            uint256 buyer = (seller + 1 + (word >> 16) % 3) % 4;
            (uint128 face, uint128 cash) = (uint128(between(word >> 32, 1, 90_000)), uint128(between(word >> 96, 1, 99_000)));
            novate(cleared(seller, buyer, bond, face, cash));
            gross[bond][seller] -= int256(uint256(face));
            gross[bond][buyer] += int256(uint256(face));
            gross[2][seller] += int256(uint256(cash));
            gross[2][buyer] -= int256(uint256(cash));
        }
        for (uint256 bond = 0; bond < 2; ++bond) {
            (int256 faces, int256 cashes) = (0, 0);
            for (uint256 i = 0; i < 4; ++i) {
                (int256 face, int256 cash) = owed(i, bond);
                assertTrue(face == gross[bond][i], "net face");
                (faces, cashes) = (faces + face, cashes + cash);
            }
            assertTrue(faces == 0 && cashes == 0, "nets sum to zero");
        }
        vm.warp(OPENS);
        ClearingHouse.Line[] memory lines = everything();
        if (lines.length != 0) settleNet(lines);
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 bond = 0; bond < 2; ++bond) {
                assertEq(bonds[bond].balanceOf(members[i]), uint256(1_000_000 + gross[bond][i]), "face");
            }
            assertEq(usd.balanceOf(members[i]), uint256(1_000_000_000 + gross[2][i]), "cash");
        }
        assertEq(note.balanceOf(ccp) + bonds[1].balanceOf(ccp) + usd.balanceOf(ccp), 0, "the CCP keeps nothing");
    }

    /// @notice Who has not named the house, as no managed account can, is no member: his net could not settle.
    function test_only_members_are_novated() public {
        Trade memory trade = cleared(0, 1, 0, 100, 99);
        vm.prank(members[1]);
        settlement.setOperator(address(house), false);
        Trade[] memory trades = new Trade[](1);
        trades[0] = trade;
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotMember.selector, members[1]));
        house.novate(trades);
    }

    /// @dev 0 sells 100 to 1, who sells 60 on to 2; 3 sells 40 to 2. Member 0 cannot deliver: 3 and 2 are whole up to
    /// what 3 delivered, and the CCP owes the receivers what 0 owes it.
    function test_a_fail_is_the_ccps_and_nobody_elses() public {
        novate(cleared(0, 1, 0, 100, 9_900));
        novate(cleared(1, 2, 0, 60, 6_000));
        novate(cleared(3, 2, 0, 40, 3_980));
        freeze(note, members[0], 1_000_000);
        vm.warp(OPENS);
        ClearingHouse.Line[] memory all = everything();
        vm.prank(ccp);
        vm.expectRevert();
        house.settle(OPENS, address(usd), all);
        issueCash(usd, ccp, 1_000); // prices differ: what the CCP pays a deliverer comes before all receivers have paid
        ClearingHouse.Line[] memory lines = new ClearingHouse.Line[](2);
        (uint256 low, uint256 high) = members[2] < members[3] ? (2, 3) : (3, 2);
        lines[0] = ClearingHouse.Line(members[low], address(note), 40);
        lines[1] = ClearingHouse.Line(members[high], address(note), 40);
        settleNet(lines);
        assertEq(note.balanceOf(members[3]), 999_960, "3 delivered");
        assertEq(usd.balanceOf(members[3]), 1_000_003_980, "and was paid");
        assertEq(note.balanceOf(members[2]), 1_000_040, "2 has what came");
        assertEq(usd.balanceOf(members[2]), 1_000_000_000 - 9_980 * 40 / uint256(100), "and paid for that");
        (int256 face, int256 cash) = owed(0, 0);
        assertTrue(face == -100 && cash == 9_900, "0 still owes");
        (face, cash) = owed(2, 0);
        assertTrue(face == 60 && cash == -(9_980 - 3_992), "2 is still owed the rest");
        (face, cash) = owed(1, 0);
        assertTrue(face == 40 && cash == -3_900, "1 is still owed");
        freeze(note, members[0], 0);
        vm.warp(OPENS + 5 days);
        settleNet(everything());
        assertEq(note.balanceOf(members[2]), 1_000_100, "late, and whole");
        assertEq(note.balanceOf(members[1]), 1_000_040, "1 too");
        assertEq(usd.balanceOf(ccp), 1_000, "the CCP is where it was");
    }

    function test_a_part_takes_its_cash_and_the_rest_the_rest() public {
        novate(cleared(0, 1, 0, 3, 100));
        issueCash(usd, ccp, 1_000);
        vm.warp(OPENS);
        settleNet(one(0, 0, 1));
        assertEq(usd.balanceOf(members[0]), 1_000_000_033, "rounded towards zero");
        settleNet(one(0, 0, 2));
        assertEq(usd.balanceOf(members[0]), 1_000_000_100, "exactly");
    }

    function test_a_difference_of_prices_is_money_alone() public {
        novate(cleared(0, 1, 0, 100, 99));
        novate(cleared(1, 0, 0, 100, 98));
        vm.warp(OPENS);
        settleNet(everything());
        assertEq(usd.balanceOf(members[0]), 1_000_000_001, "bought back for less");
        assertEq(usd.balanceOf(members[1]), 999_999_999, "the other");
        assertEq(everything().length, 0, "nothing is owed");
    }

    function test_only_the_ccp_and_only_what_is_owed() public {
        Trade memory trade = cleared(0, 1, 0, 100, 99);
        Trade[] memory trades = new Trade[](1);
        trades[0] = trade;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotCounterparty.selector, address(this)));
        house.novate(trades);
        novate(trade);
        vm.prank(ccp);
        vm.expectRevert();
        house.novate(trades); // once
        ClearingHouse.Line[] memory lines = one(0, 0, 100);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotCounterparty.selector, address(this)));
        house.settle(OPENS, address(usd), lines);
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NetTooEarly.selector, OPENS));
        house.settle(OPENS, address(usd), lines);
        vm.warp(OPENS);
        for (uint128 face = 0; face < 202; face += 101) {
            vm.prank(ccp);
            vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotOwed.selector, members[0], address(note), face, 100));
            house.settle(OPENS, address(usd), one(0, 0, face));
        }
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NothingOwed.selector, members[2], address(note)));
        house.settle(OPENS, address(usd), one(2, 0, 0));
        lines = everything();
        (lines[0], lines[1]) = (lines[1], lines[0]);
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.LinesNotSorted.selector, 1));
        house.settle(OPENS, address(usd), lines);
    }

    /// @notice Attack: one trade twice in a novation, one obligation twice in a settlement: each is taken once.
    function test_a_trade_or_a_line_named_twice_is_taken_once() public {
        Trade[] memory trades = new Trade[](2);
        trades[0] = cleared(0, 1, 0, 100, 99);
        trades[1] = trades[0];
        bytes32 id = book.idOf(trades[0]);
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(TradeBook.TradeNotOpen.selector, id, TradeStatus.Novated));
        house.novate(trades);
        novate(trades[0]);
        vm.warp(OPENS);
        uint256 before = note.balanceOf(members[0]);
        ClearingHouse.Line[] memory lines = new ClearingHouse.Line[](2);
        lines[0] = ClearingHouse.Line(members[0], address(note), 100);
        lines[1] = lines[0];
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NothingOwed.selector, members[0], address(note)));
        house.settle(OPENS, address(usd), lines);
        (lines[0].face, lines[1].face) = (60, 60);
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotOwed.selector, members[0], address(note), 60, 40));
        house.settle(OPENS, address(usd), lines);
        lines[1] = ClearingHouse.Line(members[0], address(note), 40);
        issueCash(usd, ccp, 99);
        settleNet(lines);
        assertEq(before - note.balanceOf(members[0]), 100, "two parts of one, and no more");
        (int256 face, int256 cash) = owed(0, 0);
        assertEq(uint256(face), 0, "nothing is owed any more");
        assertEq(uint256(cash), 0, "nor any cash");
    }

    function test_a_member_who_takes_the_operator_back_gives_nothing() public {
        novate(cleared(0, 1, 0, 100, 99));
        vm.prank(members[0]);
        settlement.setOperator(address(house), false);
        vm.warp(OPENS);
        ClearingHouse.Line[] memory lines = everything();
        vm.prank(ccp);
        vm.expectPartialRevert(bytes4(keccak256("InvalidSignature(address)")));
        house.settle(OPENS, address(usd), lines);
        (int256 face, ) = owed(0, 0);
        assertTrue(face == -100, "it still owes");
    }

    function test_the_ccp_is_no_member_of_itself() public {
        Trade memory trade = agreed(1, 1);
        (trade.buyer, trade.clearer) = (ccp, address(house));
        Trade[] memory trades = new Trade[](1);
        trades[0] = trade;
        vm.prank(ccp);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.MemberIsCounterparty.selector, ccp));
        house.novate(trades);
    }
}

/// @notice Members trade, the CCP novates and settles parts, members fail and recover, time passes.
contract ClearingInvariantTest is ClearingDesk {
    int256[4][2] private _faces;
    int256[4] private _cash;

    function setUp() public override {
        super.setUp();
        issueCash(usd, ccp, 1e15);
        targetContract(address(this));
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](4);
        (selectors[0], selectors[1]) = (this.trade.selector, this.net.selector);
        (selectors[2], selectors[3]) = (this.part.selector, this.fail.selector);
        targets[0] = FuzzSelector(address(this), selectors);
    }

    function trade(uint256 seller, uint256 step, uint256 bond, uint128 face, uint128 cash) external {
        (seller, bond) = (seller % 4, bond % 2);
        uint256 buyer = (seller + 1 + step % 3) % 4;
        (face, cash) = (uint128(between(face, 1, 5_000)), uint128(between(cash, 1, 5_000)));
        novate(cleared(seller, buyer, bond, face, cash));
        _faces[bond][seller] -= int256(uint256(face));
        _faces[bond][buyer] += int256(uint256(face));
        _cash[seller] += int256(uint256(cash));
        _cash[buyer] -= int256(uint256(cash));
    }

    function net() external {
        vm.warp(block.timestamp < OPENS ? OPENS : block.timestamp + 1);
        ClearingHouse.Line[] memory lines = everything();
        vm.prank(ccp);
        try house.settle(OPENS, address(usd), lines) {} catch {}
    }

    function part(uint256 which, uint128 face) external {
        vm.warp(block.timestamp < OPENS ? OPENS : block.timestamp + 1);
        ClearingHouse.Line[] memory all = everything();
        if (all.length == 0) return;
        ClearingHouse.Line[] memory lines = new ClearingHouse.Line[](1);
        lines[0] = all[which % all.length];
        lines[0].face = uint128(between(face, 0, lines[0].face));
        vm.prank(ccp);
        try house.settle(OPENS, address(usd), lines) {} catch {}
    }

    function fail(uint256 member, bool now_) external {
        freeze(note, members[member % 4], now_ ? 1e12 : 0);
    }

    function invariant_nets_sum_to_zero_with_what_the_ccp_holds() public view {
        for (uint256 bond = 0; bond < 2; ++bond) {
            (int256 faces, int256 cashes) = (0, 0);
            for (uint256 i = 0; i < 4; ++i) {
                (int256 face, int256 cash) = owed(i, bond);
                (faces, cashes) = (faces + face, cashes + cash);
            }
            assertTrue(faces == int256(bonds[bond].balanceOf(ccp)), "the CCP owes on what it received");
        }
    }

    /// @dev What a member has and is owed is what it had and traded, whatever has settled, in parts or failed.
    function invariant_every_member_is_whole() public view {
        for (uint256 i = 0; i < 4; ++i) {
            int256 cashOwed;
            for (uint256 bond = 0; bond < 2; ++bond) {
                (int256 face, int256 cash) = owed(i, bond);
                cashOwed += cash;
                int256 has = int256(bonds[bond].balanceOf(members[i])) + face;
                assertTrue(has == 1_000_000 + _faces[bond][i], "face");
            }
            assertTrue(int256(usd.balanceOf(members[i])) + cashOwed == 1_000_000_000 + _cash[i], "cash");
        }
    }
}
