// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Roles} from "src/Roles.sol";
import {Desk} from "./Desk.sol";

/// @notice A ledger after its deployment: the timelock administers, the deployer holds nothing any more.
abstract contract Governed is Desk {
    uint256 internal constant DELAY = 2 days;

    address internal governor = address(0x60);
    TimelockController internal timelock;
    bytes32 private _salt;

    function setUp() public virtual override {
        super.setUp();
        address[] memory anyone = new address[](1);
        timelock = new TimelockController(DELAY, new address[](0), anyone, address(this));
        timelock.grantRole(timelock.PROPOSER_ROLE(), governor);
        timelock.grantRole(timelock.CANCELLER_ROLE(), guardian);
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        manager.renounceRole(Roles.FACTORY, address(this));
        manager.handOver(address(timelock));
    }

    /// @dev What every holder of a role, and some who hold none, can be taken for.
    function everyone() internal view returns (address[] memory all) {
        all = new address[](13);
        (all[0], all[1], all[2], all[3]) = (registrar, issuer, freezer, enforcer);
        (all[4], all[5], all[6], all[7]) = (cashIssuer, limiter, registrant, guardian);
        (all[8], all[9], all[10], all[11]) = (governor, alice, stranger, address(this));
        all[12] = address(factory);
    }

    function schedule(address target, bytes memory data) internal returns (bytes32 id) {
        id = timelock.hashOperation(target, 0, data, 0, _salt);
        vm.prank(governor);
        timelock.schedule(target, 0, data, 0, _salt, DELAY);
    }

    function execute(address target, bytes memory data) internal {
        vm.prank(stranger);
        timelock.execute(target, 0, data, 0, _salt);
    }

    /// @dev Schedules, waits and executes; the same again is another operation.
    function decide(address target, bytes memory data) internal {
        _salt = bytes32(uint256(_salt) + 1);
        schedule(target, data);
        vm.warp(block.timestamp + DELAY);
        execute(target, data);
    }

    function holds(uint64 role, address account) internal view returns (bool member) {
        (member, ) = manager.hasRole(role, account);
    }
}
