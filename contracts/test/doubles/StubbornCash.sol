// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Cash that one account cannot receive.
contract StubbornCash is ERC20("Stubborn", "STB") {
    address public barred;

    error Barred(address account);

    function issue(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function bar(address account) external {
        barred = account;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (to != address(0) && to == barred) revert Barred(to);
        super._update(from, to, value);
    }
}
