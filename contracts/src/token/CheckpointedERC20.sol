// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title CheckpointedERC20
/// @notice ERC-20 that remembers every balance and the supply at the end of each second (ERC-6372 timestamp clock).
/// @dev One slot is the account: balance, held units, when the balance was last written and how many earlier ones are
/// kept. A past balance costs its own slot only when a new second overwrites it, so a first receipt writes one slot
/// (OpenZeppelin's Checkpoints beside ERC20 would write three). The zero address keeps the supply.
abstract contract CheckpointedERC20 is ERC20, IERC6372 {
    struct Account {
        uint48 since;
        uint32 pastCount;
        uint88 balance;
        uint88 held;
    }

    struct Past {
        uint48 since;
        uint208 balance;
    }

    /// @notice The supply would exceed what an account's slot can hold.
    error SupplyCapExceeded(uint256 cap, uint256 supply);

    /// @notice A balance can be asked for only once its second is over.
    error FutureLookup(uint256 timepoint, uint48 clock);

    mapping(address account => Account) private _accounts;
    mapping(address account => mapping(uint256 index => Past)) private _past;

    /// @inheritdoc ERC20
    function balanceOf(address account) public view virtual override returns (uint256) {
        return account == address(0) ? 0 : _accounts[account].balance;
    }

    /// @inheritdoc ERC20
    function totalSupply() public view virtual override returns (uint256) {
        return _accounts[address(0)].balance;
    }

    /// @notice Units of `account` on hold; part of its balance.
    function heldOf(address account) public view returns (uint256) {
        return _accounts[account].held;
    }

    /// @notice Balance of `account` at the end of second `timepoint`.
    function balanceOfAt(address account, uint48 timepoint) external view returns (uint256) {
        return account == address(0) ? 0 : _balanceAt(account, timepoint);
    }

    /// @notice Supply at the end of second `timepoint`.
    function totalSupplyAt(uint48 timepoint) external view returns (uint256) {
        return _balanceAt(address(0), timepoint);
    }

    /// @inheritdoc IERC6372
    function clock() public view virtual returns (uint48) {
        return Time.timestamp();
    }

    /// @inheritdoc IERC6372
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() external view virtual returns (string memory) {
        return "mode=timestamp";
    }

    /// @dev Replaces ERC20's bookkeeping; same errors, same event.
    function _update(address from, address to, uint256 value) internal virtual override {
        if (from == address(0)) {
            uint256 supply = totalSupply();
            if (value > type(uint88).max - supply) {
                revert SupplyCapExceeded(type(uint88).max, Math.saturatingAdd(supply, value));
            }
            _setBalance(address(0), supply + value);
        } else {
            uint256 balance = _accounts[from].balance;
            if (value > balance) revert ERC20InsufficientBalance(from, balance, value);
            if (from != to) _setBalance(from, balance - value);
        }
        if (to == address(0)) {
            _setBalance(address(0), totalSupply() - value);
        } else if (from != to) {
            _setBalance(to, _accounts[to].balance + value);
        }
        emit Transfer(from, to, value);
    }

    /// @dev The caller has checked that no account's held units exceed its balance.
    function _setHeld(address account, uint256 units) internal {
        _accounts[account].held = uint88(units);
    }

    /// @dev Balances never exceed the supply, which never exceeds uint88: the casts lose nothing.
    function _setBalance(address account, uint256 balance) private {
        Account memory state = _accounts[account];
        if (balance == state.balance) return;
        uint48 timepoint = clock();
        if (state.since != timepoint) {
            if (state.since != 0) _past[account][state.pastCount++] = Past(state.since, state.balance);
            state.since = timepoint;
        }
        state.balance = uint88(balance);
        _accounts[account] = state;
    }

    function _balanceAt(address account, uint48 timepoint) private view returns (uint256) {
        uint48 current = clock();
        if (timepoint >= current) revert FutureLookup(timepoint, current);
        Account memory state = _accounts[account];
        if (state.since <= timepoint) return state.balance;
        uint256 low = 0;
        uint256 high = state.pastCount;
        while (low < high) {
            uint256 middle = Math.average(low, high);
            if (_past[account][middle].since > timepoint) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low == 0 ? 0 : _past[account][low - 1].balance;
    }
}
