// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice An account's accounted assets while a settlement is judged, a line a security. `prices[line]` is one more
/// than the line's place among the names that were priced, 0 for a line that is neither held nor traded.
struct Book {
    uint256 length;
    uint256 stored;
    address[] tokens;
    uint256[] units;
    uint256[] got;
    uint256[] given;
    uint256[] values;
    uint256[] prices;
    bytes32[] cusips;
    uint256 cash;
    uint256 cashGot;
    uint256 cashGiven;
}

/// @title Books
/// @notice Keeps a book in storage, one slot a security (token in the low 160 bits, units above), and works on it in
/// memory: a plan of many legs writes each line once.
library Books {
    /// @notice More securities than an account may hold.
    error TooManyPositions(uint256 positions, uint256 most);

    uint256 internal constant MAX_POSITIONS = 64;

    /// @notice The book, with room for `more` lines.
    function load(uint256[] storage lines, uint256 cash, uint256 more) internal view returns (Book memory book) {
        uint256 stored = lines.length;
        uint256 room = stored + more;
        (book.length, book.stored, book.cash) = (stored, stored, cash);
        book.tokens = new address[](room);
        book.units = new uint256[](room);
        book.got = new uint256[](room);
        book.given = new uint256[](room);
        book.values = new uint256[](room);
        book.prices = new uint256[](room);
        book.cusips = new bytes32[](room);
        for (uint256 i = 0; i < stored; ++i) {
            uint256 word = lines[i];
            (book.tokens[i], book.units[i]) = (address(uint160(word)), word >> 160);
        }
    }

    /// @notice The line of a token; a new one if it has none.
    function lineOf(Book memory book, address token) internal pure returns (uint256 line) {
        uint256 length = book.length;
        address[] memory tokens = book.tokens;
        for (; line < length; ++line) {
            if (tokens[line] == token) return line;
        }
        tokens[line] = token;
        book.length = length + 1;
    }

    /// @notice CUSIPs of the lines that are held or traded; tells each line its place among them.
    function namesToPrice(Book memory book) internal pure returns (bytes32[] memory names) {
        names = new bytes32[](book.length);
        uint256 count;
        for (uint256 line = 0; line < book.length; ++line) {
            if (book.units[line] | book.got[line] | book.given[line] == 0) continue;
            names[count++] = book.cusips[line];
            book.prices[line] = count;
        }
        assembly ("memory-safe") {
            mstore(names, count)
        }
    }

    /// @notice Writes the lines that changed; lines without units are dropped.
    function store(Book memory book, uint256[] storage lines) internal {
        uint256 count;
        for (uint256 line = 0; line < book.length; ++line) {
            uint256 units = book.units[line];
            if (units == 0) continue;
            uint256 word = (units << 160) | uint160(book.tokens[line]);
            if (count >= book.stored) lines.push(word);
            else if (lines[count] != word) lines[count] = word;
            ++count;
        }
        if (count > MAX_POSITIONS) revert TooManyPositions(count, MAX_POSITIONS);
        for (uint256 last = book.stored; last > count; --last) lines.pop();
    }

    /// @notice What an account has of a token.
    function unitsOf(address token, address account) internal view returns (uint256) {
        return IERC20(token).balanceOf(account);
    }
}
