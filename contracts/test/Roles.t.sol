// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {RoleManager} from "src/RoleManager.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Governed} from "./base/Governed.sol";

/// @notice I15: the timelock administers, alone and slowly, and nobody grows beyond his part.
contract RolesTest is Governed {
    function test_I15_the_deployer_holds_nothing() public view {
        for (uint64 role = 0; role <= Roles.GUARDIAN; ++role) {
            assertFalse(holds(role, address(this)), "deployer");
            assertEq(manager.getRoleAdmin(role), Roles.ADMIN, "admin of each role");
            assertEq(holds(role, address(timelock)) ? 1 : 0, role == Roles.ADMIN ? 1 : 0, "timelock");
        }
        bytes32[4] memory roles = [
            timelock.DEFAULT_ADMIN_ROLE(),
            timelock.PROPOSER_ROLE(),
            timelock.CANCELLER_ROLE(),
            timelock.EXECUTOR_ROLE()
        ];
        for (uint256 i = 0; i < 4; ++i) assertFalse(timelock.hasRole(roles[i], address(this)), "of the timelock");
        assertTrue(timelock.hasRole(roles[0], address(timelock)), "its own administrator");
    }

    /// @dev Of every role there is or ever will be, at once and not after OpenZeppelin's five days.
    function testFuzz_I15_no_grant_is_immediate(uint64 role, address account) public {
        vm.assume(role != Roles.ADMIN && role != type(uint64).max && account != address(timelock));
        for (uint64 known = 1; known <= Roles.GUARDIAN; ++known) vm.assume(!holds(known, account));
        assertEq(manager.getRoleGrantDelay(role), 1 days, "delay");
        decide(address(manager), abi.encodeCall(manager.grantRole, (role, account, 0)));
        assertFalse(holds(role, account), "not yet");
        vm.warp(block.timestamp + 1 days - 1);
        assertFalse(holds(role, account), "a second early");
        vm.warp(block.timestamp + 1);
        assertTrue(holds(role, account), "in force");
    }

    /// @dev A longer delay may be set, a shorter one does nothing.
    function testFuzz_I15_delays_only_grow(uint32 delay) public {
        decide(address(manager), abi.encodeCall(manager.setGrantDelay, (Roles.ISSUER, delay)));
        vm.warp(block.timestamp + 5 days);
        assertEq(manager.getRoleGrantDelay(Roles.ISSUER), delay < 1 days ? 1 days : delay, "delay");
    }

    function testFuzz_I15_roles_kept_apart(uint8 first, uint8 second, address account) public {
        uint64[4] memory apart = [Roles.ISSUER, Roles.FREEZER, Roles.ENFORCER, Roles.ORACLE];
        (uint64 one, uint64 other) = (apart[first % 4], apart[second % 4]);
        vm.assume(one != other && account != address(0));
        for (uint256 i = 0; i < 4; ++i) vm.assume(!holds(apart[i], account));
        decide(address(manager), abi.encodeCall(manager.grantRole, (one, account, 0)));
        bytes memory data = abi.encodeCall(manager.grantRole, (other, account, 0));
        schedule(address(manager), data);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(RoleManager.RolesKeptApart.selector, account, other, one));
        execute(address(manager), data);
        decide(address(manager), abi.encodeCall(manager.revokeRole, (one, account)));
        decide(address(manager), data);
        vm.warp(block.timestamp + 1 days);
        assertTrue(holds(other, account), "after the first was taken away");
    }

    /// @dev Not the timelock itself can make another administrator, of all or of one role, or move a contract away.
    function test_I15_the_administrator_is_fixed() public {
        _undecidable(
            abi.encodeCall(manager.grantRole, (Roles.ADMIN, stranger, 0)),
            abi.encodeWithSelector(RoleManager.AdministratorIsFixed.selector)
        );
        _undecidable(
            abi.encodeCall(manager.setRoleAdmin, (Roles.ENFORCER, Roles.ISSUER)),
            abi.encodeWithSelector(RoleManager.AdministratorIsFixed.selector)
        );
        _undecidable(
            abi.encodeCall(manager.updateAuthority, (address(assets), stranger)),
            abi.encodeWithSelector(RoleManager.AuthorityIsFixed.selector)
        );
        _undecidable(
            abi.encodeCall(manager.handOver, (address(assets))),
            abi.encodeWithSelector(RoleManager.CannotHandOver.selector, address(assets))
        );
    }

    function test_handing_over_needs_a_contract() public {
        RoleManager fresh = new RoleManager(address(this));
        vm.expectRevert(abi.encodeWithSelector(RoleManager.CannotHandOver.selector, stranger));
        fresh.handOver(stranger);
        vm.expectRevert(RoleManager.AdministratorIsFixed.selector);
        fresh.grantRole(Roles.ADMIN, stranger, 0);
        vm.expectRevert(RoleManager.AdministratorIsFixed.selector);
        fresh.grantRole(Roles.ADMIN, address(0), 0);
        vm.prank(stranger);
        vm.expectPartialRevert(IAccessManager.AccessManagerUnauthorizedAccount.selector);
        fresh.handOver(address(timelock));
    }

    /// @dev Whoever it is, whatever of the manager he calls, directly or through it: he may not.
    function test_I15_escalation() public {
        address[] memory people = everyone();
        bytes[] memory tries = _deedsOfAnAdministrator();
        for (uint256 i = 0; i < people.length; ++i) {
            for (uint256 k = 0; k < tries.length; ++k) {
                _refused(people[i], address(manager), tries[k]);
                _refused(people[i], address(manager), abi.encodeCall(manager.execute, (address(manager), tries[k])));
                _refused(people[i], address(manager), abi.encodeCall(manager.schedule, (address(manager), tries[k], 0)));
                bytes[] memory wrapped = new bytes[](1);
                wrapped[0] = tries[k];
                _refused(people[i], address(manager), abi.encodeCall(manager.multicall, (wrapped)));
                if (people[i] == governor) continue;
                bytes memory proposal = abi.encodeCall(
                    timelock.schedule,
                    (address(manager), 0, tries[k], 0, 0, DELAY)
                );
                _refused(people[i], address(timelock), proposal);
            }
            bytes32 proposer = timelock.PROPOSER_ROLE();
            _refused(people[i], address(timelock), abi.encodeCall(timelock.grantRole, (proposer, people[i])));
            _refused(people[i], address(timelock), abi.encodeCall(timelock.updateDelay, (0)));
            vm.prank(people[i]);
            vm.expectRevert(SecurityToken.AuthorityIsFixed.selector);
            note.setAuthority(people[i]);
            vm.prank(people[i]);
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, people[i]));
            assets.setAuthority(people[i]);
        }
    }

    function test_the_governor_waits() public {
        bytes memory data = abi.encodeCall(manager.grantRole, (Roles.LIMITS, stranger, 0));
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockInsufficientDelay.selector, DELAY - 1, DELAY));
        timelock.schedule(address(manager), 0, data, 0, 0, DELAY - 1);
        schedule(address(manager), data);
        vm.warp(block.timestamp + DELAY - 1);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(manager), data);
        vm.warp(block.timestamp + 1);
        execute(address(manager), data);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(manager), data);
    }

    /// @dev The guardian's veto ends an operation for good, though it was ready; the governor has none of others'.
    function test_a_vetoed_operation_is_gone() public {
        bytes memory data = abi.encodeCall(manager.grantRole, (Roles.LIMITS, stranger, 0));
        bytes32 id = schedule(address(manager), data);
        vm.warp(block.timestamp + DELAY);
        bytes32 canceller = timelock.CANCELLER_ROLE();
        vm.prank(governor);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, governor, canceller)
        );
        timelock.cancel(id);
        vm.prank(guardian);
        timelock.cancel(id);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(manager), data);
        schedule(address(manager), data); // anew, with all of the delay
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(manager), data);
    }

    /// @dev A grant that was taken back within its delay never comes to be, and a second one waits anew; meanwhile it kept
    /// the account from the roles that do not go with it, and afterwards it does not.
    function test_I15_a_grant_taken_back_within_its_delay() public {
        address account = address(0xBEE);
        decide(address(manager), abi.encodeCall(manager.grantRole, (Roles.ISSUER, account, 0)));
        uint256 granted = block.timestamp;
        bytes memory freeze_ = abi.encodeCall(manager.grantRole, (Roles.FREEZER, account, 0));
        schedule(address(manager), freeze_);
        decide(address(manager), abi.encodeCall(manager.revokeRole, (Roles.ISSUER, account)));
        assertTrue(block.timestamp > granted + 1 days, "the timelock is slower than the grant");
        assertFalse(holds(Roles.ISSUER, account), "gone");
        _schedule("again", abi.encodeCall(manager.grantRole, (Roles.ISSUER, account, 0)));
        _schedule("back", abi.encodeCall(manager.revokeRole, (Roles.ISSUER, account)));
        vm.warp(block.timestamp + DELAY);
        _execute("again", abi.encodeCall(manager.grantRole, (Roles.ISSUER, account, 0)));
        vm.warp(block.timestamp + 1 days - 1);
        assertFalse(holds(Roles.ISSUER, account), "not yet");
        _execute("back", abi.encodeCall(manager.revokeRole, (Roles.ISSUER, account)));
        vm.warp(block.timestamp + 30 days);
        assertFalse(holds(Roles.ISSUER, account), "never");
        vm.prank(account);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, account));
        note.issue(alice, 1);
        decide(address(manager), freeze_);
        vm.warp(block.timestamp + 1 days);
        assertTrue(holds(Roles.FREEZER, account), "free for another");
    }

    function _schedule(bytes32 salt, bytes memory data) private {
        vm.prank(governor);
        timelock.schedule(address(manager), 0, data, 0, salt, DELAY);
    }

    function _execute(bytes32 salt, bytes memory data) private {
        timelock.execute(address(manager), 0, data, 0, salt);
    }

    /// @dev An operation that a member scheduled under a delay of his own lapses a week after it was due.
    function test_an_operation_of_a_delayed_member_expires() public {
        decide(address(manager), abi.encodeCall(manager.grantRole, (Roles.LIMITS, stranger, 1 hours)));
        vm.warp(block.timestamp + 1 days);
        bytes memory data = abi.encodeCall(compliance.setTradeLimit, (5));
        vm.prank(stranger);
        manager.schedule(address(compliance), data, 0);
        vm.warp(block.timestamp + 1 hours + 1 weeks);
        bytes32 id = manager.hashOperation(stranger, address(compliance), data);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccessManager.AccessManagerExpired.selector, id));
        manager.execute(address(compliance), data);
        assertEq(compliance.tradeLimit(), type(uint256).max, "as before");
    }

    /// @dev The old key is out by its own word at once; a lost one by the timelock.
    function test_rotation() public {
        address successor = address(0xA22);
        decide(address(manager), abi.encodeCall(manager.grantRole, (Roles.ISSUER, successor, 0)));
        vm.warp(block.timestamp + 1 days);
        vm.prank(issuer);
        manager.renounceRole(Roles.ISSUER, issuer);
        vm.prank(issuer);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, issuer));
        note.issue(alice, 1);
        vm.prank(successor);
        note.issue(alice, 1);
        decide(address(manager), abi.encodeCall(manager.revokeRole, (Roles.ISSUER, successor)));
        assertFalse(holds(Roles.ISSUER, successor), "revoked at once");
    }

    function _deedsOfAnAdministrator() private view returns (bytes[] memory tries) {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = SecurityToken.forcedTransfer.selector;
        tries = new bytes[](11);
        tries[0] = abi.encodeCall(manager.grantRole, (Roles.ENFORCER, stranger, 0));
        tries[1] = abi.encodeCall(manager.revokeRole, (Roles.ISSUER, issuer));
        tries[2] = abi.encodeCall(manager.setTargetFunctionRole, (address(implementation), selectors, Roles.ISSUER));
        tries[3] = abi.encodeCall(manager.setTargetClosed, (address(implementation), true));
        tries[4] = abi.encodeCall(manager.setGrantDelay, (Roles.ISSUER, 0));
        tries[5] = abi.encodeCall(manager.setTargetAdminDelay, (address(compliance), 0));
        tries[6] = abi.encodeCall(manager.setRoleAdmin, (Roles.ENFORCER, Roles.ISSUER));
        tries[7] = abi.encodeCall(manager.setRoleGuardian, (Roles.ENFORCER, Roles.ISSUER));
        tries[8] = abi.encodeCall(manager.labelRole, (Roles.ENFORCER, "ISSUER"));
        tries[9] = abi.encodeCall(manager.updateAuthority, (address(assets), stranger));
        tries[10] = abi.encodeCall(manager.handOver, (address(assets)));
    }

    function _refused(address who, address target, bytes memory data) private {
        vm.prank(who);
        (bool success, ) = target.call(data);
        assertFalse(success, "may");
    }

    function _undecidable(bytes memory data, bytes memory reason) private {
        schedule(address(manager), data);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(reason);
        execute(address(manager), data);
    }
}
