// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {SecurityToken} from "../src/SecurityToken.sol";
import {OpenRules} from "./doubles/OpenRules.sol";
import {Vm} from "./base/Vm.sol";

/// @notice What a token's own books do, shown for every amount by halmos. Its rules let all pass, so that what stops a
/// transfer is the account alone.
contract TokenProofs {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    uint64 private constant EXPIRY = 2_000_000_000;

    SecurityToken private _token;
    SecurityToken private _twin;

    function setUp() public {
        OpenRules rules = new OpenRules();
        address code = address(new SecurityToken(address(this)));
        bytes memory words = abi.encode(rules, rules, bytes32("91282CPZ8"), bytes32(0), EXPIRY);
        _token = SecurityToken(Clones.cloneWithImmutableArgs(code, words));
        _twin = SecurityToken(Clones.cloneWithImmutableArgs(code, words));
    }

    /// @notice I2: a forced transfer takes free units first, then frozen ones, held ones never.
    function check_I2_forced_transfer(uint88 balance, uint88 held, uint256 frozen, uint256 amount) public {
        _give(balance, held, frozen);
        uint256 free = _token.availableOf(ALICE);
        assert(free == (balance - held > frozen ? balance - held - frozen : 0));
        try _token.forcedTransfer(ALICE, BOB, amount) {
            assert(amount <= balance - held);
            assert(_token.balanceOf(ALICE) == balance - amount && _token.balanceOf(BOB) == amount);
            assert(_token.heldOf(ALICE) == held);
            assert(_token.getFrozenTokens(ALICE) == (amount > free ? frozen - (amount - free) : frozen));
        } catch {
            assert(amount > balance - held);
        }
    }

    /// @notice I4: a forced transfer to oneself changes nothing.
    function check_I4_forced_self_transfer(uint88 balance, uint88 held, uint256 frozen, uint256 amount) public {
        _give(balance, held, frozen);
        try _token.forcedTransfer(ALICE, ALICE, amount) {} catch {}
        assert(_token.getFrozenTokens(ALICE) == frozen && _token.balanceOf(ALICE) == balance);
        assert(_token.heldOf(ALICE) == held && _token.totalSupply() == balance);
    }

    /// @notice I1, I3: without rules a transfer passes if and only if it is said to, which is if its units are available;
    /// the sum of balances is the supply.
    function check_I3_answer_and_deed(uint88 balance, uint88 held, uint256 frozen, uint256 amount) public {
        _give(balance, held, frozen);
        bool said = _token.canTransfer(ALICE, BOB, amount);
        assert(said == (amount <= _token.availableOf(ALICE)));
        vm.prank(ALICE);
        try _token.transfer(BOB, amount) {
            assert(said);
        } catch {
            assert(!said);
        }
        assert(_token.balanceOf(ALICE) + _token.balanceOf(BOB) == balance && _token.totalSupply() == balance);
    }

    /// @notice I7: what is pending is the sum of the open holds, and each ends once, moving no more than it held.
    function check_I7_holds(uint88 balance, uint88 first, uint88 second, uint256 moved) public {
        vm.assume(uint256(first) + second <= balance && first != 0 && second != 0);
        _give(balance, first, 0);
        vm.prank(ALICE);
        bytes32 other = _token.createHold("other", address(this), BOB, second, EXPIRY);
        assert(_token.heldOf(ALICE) == uint256(first) + second);
        try _token.executeHold(other, moved) {
            assert(moved <= second && _token.balanceOf(BOB) == moved);
        } catch {
            assert(moved == 0 || moved > second);
            _token.releaseHold(other);
            assert(_token.balanceOf(BOB) == 0);
        }
        assert(_token.heldOf(ALICE) == first && _token.balanceOf(ALICE) + _token.balanceOf(BOB) == balance);
        try _token.releaseHold(other) {
            assert(false);
        } catch {}
        try _token.executeHold(other, 1) {
            assert(false);
        } catch {}
    }

    /// @notice I10: what is redeemed and what is outstanding are what was issued; no more than is free is redeemed.
    function check_I10_redeemed(uint88 issued, uint88 held, uint256 frozen, uint256 redeemed) public {
        _give(issued, held, frozen);
        bool free = redeemed <= _token.availableOf(ALICE);
        try _token.redeem(ALICE, redeemed) {
            assert(free && _token.totalSupply() == issued - redeemed && _token.balanceOf(ALICE) == issued - redeemed);
        } catch {
            assert(!free && _token.totalSupply() == issued && _token.balanceOf(ALICE) == issued);
        }
    }

    /// @notice I9: the balance at a record is what it was then, whatever was issued and moved since.
    function check_I9_balance_at_record(uint80 first, uint80 second, uint80 moved, uint16 record) public {
        vm.assume(moved <= uint88(first) + second);
        uint256 gap = 1 hours;
        uint256 start = block.timestamp;
        _token.issue(ALICE, first);
        vm.warp(start + gap);
        _token.issue(ALICE, second);
        vm.prank(ALICE);
        _token.transfer(BOB, moved);
        vm.warp(start + 2 * uint256(type(uint16).max));
        uint256 expected = record < gap ? first : uint256(first) + second - moved;
        assert(_token.balanceOfAt(ALICE, uint48(start + record)) == expected);
        assert(_token.balanceOfAt(BOB, uint48(start + record)) == (record < gap ? 0 : moved));
    }

    /// @notice I5: a batch of two, one of them to oneself perhaps, is its two transfers one by one, or nothing.
    function check_I5_batch(uint88 balance, uint256 first, uint256 second, bool self) public {
        (address[] memory to, uint256[] memory amounts) = (new address[](2), new uint256[](2));
        (to[0], to[1]) = (BOB, self ? ALICE : BOB);
        (amounts[0], amounts[1]) = (first, second);
        _token.issue(ALICE, balance);
        _twin.issue(ALICE, balance);
        bool all = true;
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(ALICE);
            try _twin.transfer(to[i], amounts[i]) {} catch {
                all = false;
            }
        }
        vm.prank(ALICE);
        try _token.batchTransfer(to, amounts) {
            assert(all && _token.balanceOf(ALICE) == _twin.balanceOf(ALICE));
            assert(_token.balanceOf(BOB) == _twin.balanceOf(BOB));
        } catch {
            assert(!all && _token.balanceOf(ALICE) == balance && _token.balanceOf(BOB) == 0);
        }
    }

    function _give(uint88 balance, uint88 held, uint256 frozen) private {
        vm.assume(held <= balance);
        _token.issue(ALICE, balance);
        if (held != 0) {
            vm.prank(ALICE);
            _token.createHold("hold", address(this), BOB, held, EXPIRY);
        }
        _token.setFrozenTokens(ALICE, frozen);
    }
}
