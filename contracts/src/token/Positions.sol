// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {AccountWord, BALANCE_MASK} from "./AccountWord.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title Positions
/// @notice What an account has: balance, the held and the frozen part of it, and what its balance was at the end of
/// each second (ERC-6372 timestamp clock). An ERC-20 with bookkeeping of its own.
/// @dev One slot is the account. A past balance costs a slot of its own only when a new second overwrites it, so a
/// first receipt writes one slot, where OpenZeppelin's Checkpoints beside ERC20's mapping would write three: that
/// decides how many legs fit an instruction. The frozen amount, which may exceed any balance, is read only where the
/// account says there is one. The zero address keeps the supply.
abstract contract Positions is ERC20, IERC6372 {
    /// @notice The supply would exceed what an account's slot can hold.
    error SupplyCapExceeded(uint256 cap, uint256 supply);

    /// @notice A balance can be asked for only once its second is over.
    error FutureLookup(uint256 timepoint, uint48 clock);

    /// @dev A struct, so that what found the word once can write it.
    struct Account {
        AccountWord word;
    }

    mapping(address account => Account) private _accounts;
    mapping(address account => uint256) private _frozen;

    /// @dev Earlier balances, oldest first: balance in the low 88 bits, when it was written above them.
    mapping(address account => mapping(uint256 index => uint256)) private _past;

    /// @inheritdoc ERC20
    function balanceOf(address account) public view virtual override returns (uint256) {
        return account == address(0) ? 0 : _accounts[account].word.balanceOf();
    }

    /// @inheritdoc ERC20
    function totalSupply() public view virtual override returns (uint256) {
        return _accounts[address(0)].word.balanceOf();
    }

    /// @notice Units of `account` on hold; part of its balance.
    function heldOf(address account) public view returns (uint256) {
        return _accounts[account].word.heldOf();
    }

    /// @notice Units of `account` that are neither frozen nor held: max(0, balance - frozen - held) (I2).
    function availableOf(address account) public view returns (uint256 available) {
        if (account != address(0)) (available, , , ) = _positionOf(account);
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
            if (value > BALANCE_MASK - supply) {
                revert SupplyCapExceeded(BALANCE_MASK, Math.saturatingAdd(supply, value));
            }
            _credit(address(0), value);
        } else if (from == to) {
            uint256 balance = balanceOf(from);
            if (value > balance) revert ERC20InsufficientBalance(from, balance, value);
        } else {
            _debit(from, value);
        }
        if (to == address(0)) {
            _debit(address(0), value);
        } else if (from != to) {
            _credit(to, value);
        }
        emit Transfer(from, to, value);
    }

    /// @dev Moves available units, each account read once; false, and nothing done, if `value` is more than those.
    function _shift(address from, address to, uint256 value) internal returns (bool) {
        Account storage giver = _accounts[from];
        AccountWord word = giver.word;
        uint256 balance = word.balanceOf();
        unchecked {
            uint256 available = balance - word.heldOf();
            if (word.hasFrozen()) available = Math.saturatingSub(available, _frozen[from]);
            if (value > available) return false;
            if (from != to && value != 0) {
                _write(giver, from, word, balance - value);
                Account storage taker = _accounts[to];
                word = taker.word;
                _write(taker, to, word, word.balanceOf() + value);
            }
        }
        emit Transfer(from, to, value);
        return true;
    }

    function _positionOf(
        address account
    ) internal view returns (uint256 available, uint256 balance, uint256 held, uint256 frozen) {
        AccountWord word = _accounts[account].word;
        balance = word.balanceOf();
        held = word.heldOf();
        available = balance - held;
        if (word.hasFrozen()) {
            frozen = _frozen[account];
            available = Math.saturatingSub(available, frozen);
        }
    }

    /// @dev The caller has checked that the account's held units do not exceed its balance.
    function _setHeld(address account, uint256 units) internal {
        _accounts[account].word = _accounts[account].word.withHeld(units);
    }

    function _setFrozenAmount(address account, uint256 amount) internal {
        _accounts[account].word = _accounts[account].word.withFrozen(amount != 0);
        _frozen[account] = amount;
    }

    /// @dev No balance exceeds the supply, and the supply fits: the sum does too.
    function _credit(address account, uint256 value) private {
        Account storage found = _accounts[account];
        AccountWord word = found.word;
        unchecked {
            if (value != 0) _write(found, account, word, word.balanceOf() + value);
        }
    }

    function _debit(address account, uint256 value) private {
        Account storage found = _accounts[account];
        AccountWord word = found.word;
        uint256 balance = word.balanceOf();
        if (value > balance) revert ERC20InsufficientBalance(account, balance, value);
        unchecked {
            if (value != 0) _write(found, account, word, balance - value);
        }
    }

    /// @dev The balance that stood when an earlier second ended is kept, except the nothing before the first.
    function _write(Account storage found, address account, AccountWord word, uint256 balance) private {
        uint256 since = word.sinceOf();
        if (since != block.timestamp) {
            if (since != 0) _past[account][word.pastCountOf()] = (since << 88) | word.balanceOf();
            word = word.nextPeriod(block.timestamp, since == 0 ? 0 : 1);
        }
        found.word = word.withBalance(balance);
    }

    function _balanceAt(address account, uint48 timepoint) private view returns (uint256) {
        uint48 current = clock();
        if (timepoint >= current) revert FutureLookup(timepoint, current);
        AccountWord word = _accounts[account].word;
        if (word.sinceOf() <= timepoint) return word.balanceOf();
        uint256 low = 0;
        uint256 high = word.pastCountOf();
        while (low < high) {
            uint256 middle = Math.average(low, high);
            if (_past[account][middle] >> 88 > timepoint) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low == 0 ? 0 : _past[account][low - 1] & BALANCE_MASK;
    }
}
