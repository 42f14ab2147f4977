// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Compliance} from "src/Compliance.sol";
import {RoleManager} from "src/RoleManager.sol";
import {Roles} from "src/Roles.sol";
import {Governed} from "./base/Governed.sol";
import {Test} from "./base/Test.sol";

/// @notice Governor, guardian, role holders and strangers in any order, the governor with the worst intentions.
contract GovernanceHandler is Test {
    uint256 private constant DELAY = 2 days;

    RoleManager private immutable _manager;
    TimelockController private immutable _timelock;
    Compliance private immutable _compliance;
    address private immutable _governor;
    address private immutable _guardian;
    address[] public people;
    bytes[] private _proposed;
    mapping(uint64 role => mapping(address account => uint256 time)) private _decided;
    uint256 public tooEarly;
    uint256 public stopped;
    uint256 public allowed = 72 hours;
    uint256 public executed;

    constructor(
        RoleManager manager,
        TimelockController timelock,
        Compliance compliance,
        address governor,
        address guardian,
        address[] memory people_
    ) {
        (_manager, _timelock, _compliance) = (manager, timelock, compliance);
        (_governor, _guardian, people) = (governor, guardian, people_);
    }

    function propose(uint8 what, uint64 role, uint8 who, uint32 delay) external {
        address account = _person(who);
        role %= Roles.GUARDIAN + 3;
        bytes memory data;
        if (what % 8 == 0) data = abi.encodeCall(_manager.grantRole, (role, account, delay % 2));
        else if (what % 8 == 1) data = abi.encodeCall(_manager.revokeRole, (_notAdmin(role), account));
        else if (what % 8 == 2) data = abi.encodeCall(_manager.setGrantDelay, (role, delay));
        else if (what % 8 == 3) data = abi.encodeCall(_manager.setRoleAdmin, (role, delay % 12));
        else if (what % 8 == 4) data = abi.encodeCall(_manager.setRoleGuardian, (_notAdmin(role), delay % 12));
        else if (what % 8 == 5) data = abi.encodeCall(_manager.handOver, (address(_compliance)));
        else if (what % 8 == 6) data = abi.encodeCall(_manager.updateAuthority, (address(_compliance), account));
        else data = abi.encodeCall(_compliance.renewStop, ());
        vm.prank(_governor);
        _timelock.schedule(_target(data), 0, data, 0, bytes32(_proposed.length), DELAY);
        _proposed.push(data);
    }

    function carryOut(uint256 index, uint8 who) external {
        if (_proposed.length == 0) return;
        index %= _proposed.length;
        bytes memory data = _proposed[index];
        bytes memory call = abi.encodeCall(_timelock.execute, (_target(data), 0, data, 0, bytes32(index)));
        if (!_try(_person(who), address(_timelock), call)) return;
        ++executed;
        if (bytes4(data) == _compliance.renewStop.selector) allowed += 72 hours;
    }

    function veto(uint256 index, uint8 who) external {
        if (_proposed.length == 0) return;
        index %= _proposed.length;
        bytes memory data = _proposed[index];
        bytes32 id = _timelock.hashOperation(_target(data), 0, data, 0, bytes32(index));
        _try(who % 2 == 0 ? _guardian : _person(who), address(_timelock), abi.encodeCall(_timelock.cancel, (id)));
    }

    function escalate(uint64 role, uint8 who, uint8 whom, bool revoke) external {
        role %= Roles.GUARDIAN + 3;
        bytes memory data = revoke
            ? abi.encodeCall(_manager.revokeRole, (role, _person(whom)))
            : abi.encodeCall(_manager.grantRole, (role, _person(whom), 0));
        if (_try(_person(who), address(_manager), data)) ++tooEarly;
    }

    function stop(uint8 who) external {
        address caller = who % 2 == 0 ? _guardian : _person(who);
        _try(caller, address(_compliance), abi.encodeCall(_compliance.stop, ()));
    }

    function resume(uint8 who) external {
        address caller = who % 2 == 0 ? _guardian : _person(who);
        _try(caller, address(_compliance), abi.encodeCall(_compliance.resume, ()));
    }

    /// @dev Time passes in steps of an hour, in which it is counted how long the ledger stands still.
    function pass(uint8 hours_) external {
        for (uint256 i = 0; i < hours_ % 80; ++i) {
            if (block.timestamp < _compliance.stoppedUntil()) stopped += 1 hours;
            vm.warp(block.timestamp + 1 hours);
        }
    }

    function size() external view returns (uint256) {
        return people.length;
    }

    function _target(bytes memory data) private view returns (address) {
        return bytes4(data) == _compliance.renewStop.selector ? address(_compliance) : address(_manager);
    }

    function _person(uint8 who) private view returns (address) {
        return people[who % people.length];
    }

    function _notAdmin(uint64 role) private pure returns (uint64) {
        return role == Roles.ADMIN ? Roles.LIMITS : role;
    }

    function _try(address who, address target, bytes memory data) private returns (bool success) {
        vm.prank(who);
        (success, ) = target.call(data);
    }
}

/// @notice I15 whatever governor, guardian and the rest do.
contract RolesInvariantTest is Governed {
    GovernanceHandler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new GovernanceHandler(manager, timelock, compliance, governor, guardian, everyone());
        targetContract(address(_handler));
    }

    function invariant_I15_the_timelock_alone_administers() public view {
        assertTrue(holds(Roles.ADMIN, address(timelock)), "timelock");
        for (uint256 i = 0; i < _handler.size(); ++i) assertFalse(holds(Roles.ADMIN, _handler.people(i)), "another");
        for (uint64 role = 0; role < Roles.GUARDIAN + 3; ++role) {
            assertEq(manager.getRoleAdmin(role), Roles.ADMIN, "admin of a role");
            assertTrue(manager.getRoleGrantDelay(role) >= 1 days, "grant delay");
        }
        assertEq(_handler.tooEarly(), 0, "nobody grants or revokes past it");
        assertEq(compliance.authority(), address(manager), "authority");
    }

    function invariant_I15_nobody_holds_two_of_four() public view {
        uint64[4] memory apart = [Roles.ISSUER, Roles.FREEZER, Roles.ENFORCER, Roles.ORACLE];
        for (uint256 i = 0; i < _handler.size(); ++i) {
            uint256 held;
            for (uint256 k = 0; k < 4; ++k) {
                (uint48 since, , , ) = manager.getAccess(apart[k], _handler.people(i));
                if (since != 0) ++held;
            }
            assertTrue(held <= 1, "two");
        }
    }

    /// @dev Whole hours are counted, and a stop ends within one.
    function invariant_I15_the_guardian_stops_no_longer_than_he_may() public view {
        assertTrue(_handler.stopped() <= _handler.allowed(), "stopped");
        assertTrue(compliance.stopLeft() <= 72 hours, "left");
        assertTrue(compliance.stoppedUntil() <= block.timestamp + 72 hours, "until");
    }
}
