// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Instruction} from "src/settlement/Instruction.sol";
import {Settlement} from "src/Settlement.sol";
import {Desk} from "./base/Desk.sol";
import {Packing} from "./base/Packing.sol";
import {Test} from "./base/Test.sol";

/// @notice Submits, replays, forges, cancels and lets time pass; counts what must not happen.
contract SettlementHandler is Test {
    struct Order {
        bytes encoded;
        uint256 settled;
    }

    Settlement private immutable _settlement;
    address private immutable _maker = msg.sender;
    Order[] private _orders;
    uint256[] private _nonces;
    address[2] public givers;
    mapping(address => mapping(uint256 => bool)) private _spent;

    uint256 public settledTwice;
    uint256 public settledOutside;
    uint256 public burntByOthers;
    uint256 public settledUnits;
    uint256 public settledCash;

    constructor(Settlement settlement, address[2] memory givers_) {
        (_settlement, givers) = (settlement, givers_);
    }

    function add(Instruction calldata instruction, bytes[] calldata signatures) external {
        if (msg.sender != _maker) return;
        _orders.push(Order(abi.encode(instruction, signatures), 0));
        _nonces.push(instruction.nonce);
    }

    function settle(uint256 seed) external {
        uint256 index = seed % _orders.length;
        (Instruction memory instruction, bytes[] memory signatures) = _order(index);
        try _settlement.settle(instruction, signatures) {
            _record(index);
        } catch {}
        _watch();
    }

    function settleMany(uint256 first, uint256 second, uint256 gas_) external {
        uint256[2] memory chosen = [first % _orders.length, second % _orders.length];
        if (_nonces[chosen[0]] == _nonces[chosen[1]]) return; // which of the two settled could not be told
        Instruction[] memory batch = new Instruction[](2);
        bytes[][] memory lists = new bytes[][](2);
        bool[2] memory before;
        for (uint256 i = 0; i < 2; ++i) {
            (batch[i], lists[i]) = _order(chosen[i]);
            before[i] = _settlement.isNonceUsed(givers[0], batch[i].nonce);
        }
        (address[] memory accounts, bytes memory packed) = Packing.pack(batch, lists);
        try _settlement.settleMany{gas: between(gas_, 50_000, 2_000_000)}(accounts, packed) {
            for (uint256 i = 0; i < 2; ++i) {
                if (_settlement.isNonceUsed(givers[0], batch[i].nonce) && !before[i]) _record(chosen[i]);
            }
        } catch {}
        _watch();
    }

    function forge(uint256 seed, uint256 amount) external {
        (Instruction memory forged, bytes[] memory signatures) = _order(seed % _orders.length);
        forged.legs[0].amount += between(amount, 1, 1_000);
        try _settlement.settle(forged, signatures) {
            ++settledTwice;
        } catch {}
        _watch();
    }

    /// @dev Someone else cancels the number; sometimes the giver does.
    function cancel(uint256 seed, bool own) external {
        uint256 nonce = _nonces[seed % _nonces.length];
        address caller = own ? givers[seed % 2] : address(this);
        vm.prank(caller);
        try _settlement.cancel(nonce) {
            if (own) _spent[caller][nonce] = true;
        } catch {}
        _watch();
    }

    function pass(uint8 seconds_) external {
        vm.warp(block.timestamp + (seconds_ % 4));
    }

    function _order(uint256 index) private view returns (Instruction memory instruction, bytes[] memory signatures) {
        return abi.decode(_orders[index].encoded, (Instruction, bytes[]));
    }

    function _record(uint256 index) private {
        (Instruction memory instruction, ) = _order(index);
        if (++_orders[index].settled > 1) ++settledTwice;
        if (_spent[givers[0]][instruction.nonce] || _spent[givers[1]][instruction.nonce]) ++settledTwice;
        if (block.timestamp < instruction.notBefore || block.timestamp > instruction.deadline) ++settledOutside;
        (_spent[givers[0]][instruction.nonce], _spent[givers[1]][instruction.nonce]) = (true, true);
        settledUnits += instruction.legs[0].amount;
        settledCash += instruction.legs[1].amount;
    }

    /// @dev Every nonce that is used was used by a settlement or by its giver.
    function _watch() private {
        for (uint256 i = 0; i < _nonces.length; ++i) {
            for (uint256 k = 0; k < 2; ++k) {
                if (_settlement.isNonceUsed(givers[k], _nonces[i]) != _spent[givers[k]][_nonces[i]]) ++burntByOthers;
            }
        }
    }
}

/// @notice I6, whatever is submitted, by whom and when.
contract SettlementInvariantTest is Desk {
    SettlementHandler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new SettlementHandler(settlement, [alice, bob]);
        for (uint256 i = 0; i < 12; ++i) {
            // two of the orders share a nonce, one asks for more than there is, windows are short and staggered
            Instruction memory instruction = i % 2 == 0 ? dvp(i == 4 ? 2 : i) : plan(i, bytes32(i));
            instruction.legs[0].amount = i == 6 ? 10_000_000 : 100 + i;
            instruction.notBefore = START + uint64(i);
            instruction.deadline = START + uint64(i) + 40;
            if (i % 2 == 1) instruction.planHash = planHash(instruction.contextHash, instruction.legs);
            _handler.add(instruction, signed(instruction));
        }
        targetContract(address(_handler));
    }

    /// @notice I6: each instruction at most once, and never what was not signed.
    function invariant_I6_at_most_once() public view {
        assertEq(_handler.settledTwice(), 0, "I6: once");
    }

    /// @notice I6: never outside its window.
    function invariant_I6_within_the_window() public view {
        assertEq(_handler.settledOutside(), 0, "I6: window");
    }

    /// @notice I6: a giver's nonce is used by settlements he signed and by himself only.
    function invariant_I6_nonces_belong_to_their_givers() public view {
        assertEq(_handler.burntByOthers(), 0, "I6: nonces");
    }

    /// @notice I6: all legs or none: both sides of what settled have moved, and nothing else.
    function invariant_I6_all_legs_or_none() public view {
        assertEq(note.balanceOf(bob), _handler.settledUnits(), "I6: securities");
        assertEq(note.balanceOf(alice), 1_000_000 - _handler.settledUnits(), "I6: securities left");
        assertEq(usd.balanceOf(alice), _handler.settledCash(), "I6: cash");
        assertEq(usd.balanceOf(bob), 1_000_000 - _handler.settledCash(), "I6: cash left");
    }

    /// @notice I1: settlement neither makes nor destroys anything.
    function invariant_I1_settlement_keeps_supplies() public view {
        assertEq(note.totalSupply(), 1_000_000, "I1: securities");
        assertEq(usd.totalSupply(), 1_000_000, "I1: cash");
    }
}
