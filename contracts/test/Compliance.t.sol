// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Limits} from "src/compliance/Limits.sol";
import {ICompliance} from "src/interfaces/ICompliance.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice Country, sliding volume, holding cap, several wallets: each with its largest amount, edge by edge.
contract ComplianceTest is Ledger {
    uint40 private constant WINDOW = 1 hours;
    uint256 private constant NONE = type(uint256).max;

    SecurityToken private other;
    address private alice2 = address(0xA11CE2);

    function setUp() public override {
        super.setUp();
        other = createSecurity("91282CQE4");
        vm.prank(registrar);
        identities.registerWallet(alice2, "alice");
        issue(note, alice, 1_000_000);
        issue(other, alice, 1_000_000);
        issue(note, bob, 1_000_000);
    }

    // --- volume (I8) --------------------------------------------------------------------------------------------

    function test_I8_the_window_slides_by_the_second() public {
        _volume(100);
        _send(note, alice, bob, 60);
        vm.warp(START + 10);
        _send(other, alice, bob, 40);
        _refused(note, alice, bob, 1, RestrictionCodes.SENDER_VOLUME, 0);
        vm.warp(START + WINDOW - 1); // the first hour still has both
        _refused(note, alice, bob, 1, RestrictionCodes.SENDER_VOLUME, 0);
        vm.warp(START + WINDOW); // the 60 have just left
        _refused(note, alice, bob, 61, RestrictionCodes.SENDER_VOLUME, 60);
        _send(note, alice, bob, 60);
        vm.warp(START + WINDOW + 9);
        _refused(note, alice, bob, 1, RestrictionCodes.SENDER_VOLUME, 0);
        vm.warp(START + WINDOW + 10);
        _send(note, alice, bob, 40);
    }

    function test_I8_counts_both_sides_and_all_wallets() public {
        _volume(100);
        _send(note, alice, bob, 70);
        _refused(note, bob, carol, 31, RestrictionCodes.SENDER_VOLUME, 30);
        _send(note, alice, alice2, 500); // between wallets of one identity: no volume
        _refused(note, alice2, carol, 31, RestrictionCodes.SENDER_VOLUME, 30);
        _send(note, alice2, carol, 30);
        _refused(note, bob, alice2, 1, RestrictionCodes.RECIPIENT_VOLUME, 0);
        // the history is the identity's: another wallet does not begin anew
        vm.prank(registrar);
        identities.removeWallet(alice2);
        vm.prank(registrar);
        identities.registerWallet(address(0xA3), "alice");
        _refused(note, alice, carol, 1, RestrictionCodes.SENDER_VOLUME, 0);
    }

    function test_I8_a_longer_window_remembers() public {
        _volume(100);
        _send(note, alice, bob, 100);
        vm.warp(START + WINDOW);
        _send(note, alice, bob, 90);
        vm.prank(limiter);
        compliance.setVolumeLimit(200, 2 * WINDOW);
        _refused(note, alice, bob, 11, RestrictionCodes.SENDER_VOLUME, 10);
        vm.prank(limiter);
        compliance.setVolumeLimit(NONE, 0);
        _send(note, alice, bob, 1000);
    }

    /// @dev A model remembers every transfer; the contract must never let more through, nor less.
    function testFuzz_I8_in_any_window_the_sum_stays_within(uint16[24] memory steps, uint16[24] memory sizes) public {
        uint256 limit = 50_000;
        _volume(limit);
        uint256[24] memory times;
        uint256[24] memory amounts;
        for (uint256 i = 0; i < 24; ++i) {
            vm.warp(block.timestamp + (steps[i] % 5 == 0 ? 0 : steps[i] % (WINDOW / 4)));
            uint256 used;
            for (uint256 j = 0; j < i; ++j) {
                if (times[j] + WINDOW > block.timestamp) used += amounts[j];
            }
            (uint256 largest, ) = compliance.largestAmount(address(note), alice, bob);
            assertEq(largest, limit - used, "exactly what the window leaves");
            uint256 amount = sizes[i] % (largest + 2);
            assertTrue(note.canTransfer(alice, bob, amount) == (largest != 0 && amount <= largest), "I3");
            if (!note.canTransfer(alice, bob, amount)) {
                vm.prank(alice);
                vm.expectRevert();
                note.transfer(bob, amount);
                continue;
            }
            _send(note, alice, bob, amount);
            (times[i], amounts[i]) = (block.timestamp, amount);
        }
    }

    // --- who sets them ------------------------------------------------------------------------------------------

    function test_I15_nobody_but_the_limiter_sets_a_limit() public {
        bytes[5] memory calls = [
            abi.encodeCall(compliance.setTradeLimit, (1)),
            abi.encodeCall(compliance.setVolumeLimit, (1, WINDOW)),
            abi.encodeCall(compliance.setHoldingCap, (1)),
            abi.encodeCall(compliance.setOwnLimits, ("alice", true, 1, 1)),
            abi.encodeCall(compliance.setCountries, (Limits.CountryRule.Admit, new uint16[](0)))
        ];
        address[4] memory people = [stranger, issuer, registrar, freezer];
        for (uint256 i = 0; i < calls.length * people.length; ++i) {
            address who = people[i % people.length];
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, who));
            vm.prank(who);
            (bool success, ) = address(compliance).call(calls[i / people.length]);
            assertTrue(success, "expected");
        }
        _send(note, alice, bob, 1_000_000);
    }

    // --- holding cap --------------------------------------------------------------------------------------------

    /// @notice Of two reasons the one is told that speaks of the party: lifting the pause would not help it.
    function test_who_may_not_trade_is_told_so_of_a_paused_security_too() public {
        vm.prank(freezer);
        assets.setPaused(address(note), true);
        _refused(note, alice, bob, 1, RestrictionCodes.PAUSED, 0);
        setClaim("alice", START - 1);
        _refused(note, alice, bob, 1, RestrictionCodes.SENDER_CLAIM, 0);
    }

    /// @notice With no rule but a trade limit a transfer takes a short way, and is counted all the same.
    function test_a_cap_counts_what_was_moved_before_it_was_set() public {
        setTradeLimit(400);
        _send(note, alice, bob, 400);
        setTradeLimit(NONE);
        vm.prank(limiter);
        compliance.setHoldingCap(1_000_500);
        _refused(note, alice, bob, 101, RestrictionCodes.HOLDING_CAP, 100);
        vm.prank(limiter);
        compliance.setHoldingCap(2_000_000);
        _refused(note, bob, alice, 401, RestrictionCodes.HOLDING_CAP, 400);
    }

    function test_holding_cap_over_wallets_and_securities() public {
        vm.prank(limiter);
        compliance.setHoldingCap(2_000_100);
        _refused(note, bob, alice2, 101, RestrictionCodes.HOLDING_CAP, 100);
        _send(note, bob, alice2, 60);
        _refused(note, bob, alice, 41, RestrictionCodes.HOLDING_CAP, 40);
        _send(note, alice, bob, 10); // sending makes room
        _refused(note, bob, alice, 51, RestrictionCodes.HOLDING_CAP, 50);
        _send(note, alice, alice2, 900_000); // moving between own wallets needs none
        vm.prank(issuer);
        vm.expectRevert(
            abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, address(0), alice2, 51)
        );
        other.issue(alice2, 51);
        issue(other, alice2, 50);
        vm.prank(issuer);
        other.redeem(alice2, 50);
        issue(other, alice2, 50);
    }

    function test_balances_go_along_with_a_wallet() public {
        vm.prank(limiter);
        compliance.setHoldingCap(2_500_000);
        vm.prank(registrar);
        identities.removeWallet(bob);
        vm.prank(registrar);
        identities.registerWallet(bob, "alice");
        (, , , , uint256 held, uint256 left) = compliance.standing("alice");
        assertEq(held, 3_000_000, "bob's units are alice's now");
        assertEq(left, 0, "nothing left");
        _refused(note, bob, carol, 2_500_001, RestrictionCodes.BALANCE, 1_000_000);
    }

    function test_forced_transfer_is_counted_but_not_refused() public {
        vm.prank(limiter);
        compliance.setHoldingCap(1_000_000);
        vm.prank(enforcer);
        note.forcedTransfer(alice, bob, 500);
        (, , , , uint256 held, ) = compliance.standing("bob");
        assertEq(held, 1_000_500, "counted");
        _refused(note, alice, bob, 1, RestrictionCodes.HOLDING_CAP, 0);
    }

    // --- pending holds ------------------------------------------------------------------------------------------

    function test_pending_counts_in_and_out() public {
        _volume(1_000);
        vm.prank(limiter);
        compliance.setHoldingCap(2_000_500);
        createHold(alice, "h", carol, bob, 300);
        _refused(note, alice, carol, 701, RestrictionCodes.SENDER_VOLUME, 700);
        _refused(note, alice, bob, 701, RestrictionCodes.SENDER_VOLUME, 700);
        _refused(note, bob, carol, 701, RestrictionCodes.SENDER_VOLUME, 700);
        (, uint256 used, , , uint256 held, ) = compliance.standing("bob");
        assertEq(used, 300, "pending in");
        assertEq(held, 1_000_300, "as if held");
        createHold(bob, "i", carol, alice, 400);
        _refused(note, bob, alice, 101, RestrictionCodes.HOLDING_CAP, 100);
        vm.prank(carol);
        note.executeHold(holdId(alice, "h"), 200);
        (, used, , , held, ) = compliance.standing("bob");
        assertEq(used, 200 + 400, "executed in part, and pending out");
        assertEq(held, 1_000_200, "the rest is free");
        vm.warp(START + 1 days + 1);
        note.expireHold(holdId(bob, "i"));
        (, used, , , , ) = compliance.standing("bob");
        assertEq(used, 0, "all over");
    }

    /// @dev One of two holds is over, of the same giver or for the same taker: the other still counts.
    function test_pending_counts_until_the_last_hold_is_over() public {
        _volume(1_000);
        createHold(alice, "h", carol, bob, 300);
        createHold(alice, "i", carol, carol, 200);
        createHold(bob, "j", carol, carol, 100);
        vm.prank(carol);
        note.releaseHold(holdId(alice, "h"));
        _refused(note, alice, bob, 801, RestrictionCodes.SENDER_VOLUME, 800);
        vm.prank(carol);
        note.releaseHold(holdId(alice, "i"));
        _refused(note, carol, alice, 901, RestrictionCodes.BALANCE, 0);
        _refused(note, alice, carol, 901, RestrictionCodes.RECIPIENT_VOLUME, 900);
        vm.prank(carol);
        note.releaseHold(holdId(bob, "j"));
        _send(note, alice, carol, 1_000);
    }

    // --- countries ----------------------------------------------------------------------------------------------

    function test_countries() public {
        vm.prank(registrar);
        identities.registerIdentity("dan", 643, type(uint64).max);
        address dan = address(0xDA9);
        vm.prank(registrar);
        identities.registerWallet(dan, "dan");
        uint16[] memory list = new uint16[](1);
        list[0] = 643;
        _countries(Limits.CountryRule.Refuse, list);
        _refused(note, alice, dan, 0, RestrictionCodes.RECIPIENT_COUNTRY, 0);
        _refused(note, dan, alice, 0, RestrictionCodes.SENDER_COUNTRY, 0);
        assertFalse(note.canReceive(dan), "receive");
        vm.prank(issuer);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, dan));
        note.issue(dan, 1);
        _send(note, alice, bob, 1);
        list[0] = 840;
        _countries(Limits.CountryRule.Admit, list);
        _send(note, alice, bob, 1);
        assertFalse(note.canSend(dan), "not on the list");
        _countries(Limits.CountryRule.Admit, new uint16[](0));
        _refused(note, alice, bob, 1, RestrictionCodes.SENDER_COUNTRY, 0);
        _countries(Limits.CountryRule.Any, new uint16[](0));
        _send(note, alice, dan, 1);
    }

    // --- the rest -----------------------------------------------------------------------------------------------

    function test_own_limits_stand_in_for_the_general_ones() public {
        _volume(10);
        vm.prank(limiter);
        compliance.setOwnLimits("bob", true, NONE, NONE);
        vm.prank(limiter);
        compliance.setOwnLimits("alice", true, 25, 2_000_001);
        _refused(note, alice, bob, 26, RestrictionCodes.SENDER_VOLUME, 25);
        _refused(note, bob, alice, 2, RestrictionCodes.HOLDING_CAP, 1);
        _send(note, alice, bob, 25);
        _refused(note, bob, carol, 11, RestrictionCodes.RECIPIENT_VOLUME, 10);
        vm.prank(limiter);
        compliance.setVolumeLimit(10, 0);
        (uint256 volume, , uint256 left, uint256 cap, , ) = compliance.standing("alice");
        assertTrue(volume == NONE && left == NONE, "nothing is counted without a window");
        assertEq(cap, 2_000_001, "a cap needs none");
        _send(note, alice, bob, 26);
        _volume(10);
        vm.prank(limiter);
        compliance.setOwnLimits("alice", false, 0, 0);
        _refused(note, alice, bob, 1, RestrictionCodes.SENDER_VOLUME, 0);
    }

    function test_only_tokens_report() public {
        bytes memory notToken = abi.encodeWithSelector(ICompliance.NotAToken.selector, address(this));
        vm.expectRevert(notToken);
        compliance.transferring(alice, bob, 1);
        vm.expectRevert(notToken);
        compliance.issuing(alice, 1);
        vm.expectRevert(notToken);
        compliance.moved(alice, bob, 1);
        vm.expectRevert(notToken);
        compliance.holding(alice, bob, 1);
        vm.expectRevert(notToken);
        compliance.unholding(alice, bob, 1);
    }

    function test_limits_are_shown_and_bounded() public {
        _volume(77);
        (uint256 units, uint40 window) = compliance.volumeLimit();
        assertEq(units, 77, "volume");
        assertEq(window, WINDOW, "window");
        assertEq(compliance.holdingCap(), NONE, "no cap");
        assertEq(compliance.tradeLimit(), NONE, "no trade limit");
        vm.prank(limiter);
        vm.expectRevert(abi.encodeWithSelector(Limits.WindowTooLong.selector, 366 days + 1, 366 days));
        compliance.setVolumeLimit(1, 366 days + 1);
    }

    function test_what_is_counted_is_told() public {
        setTradeLimit(5);
        _countries(Limits.CountryRule.Refuse, new uint16[](0));
        assertFalse(compliance.countsIdentities(), "neither counts");
        _volume(NONE);
        assertTrue(compliance.countsIdentities(), "a window");
        vm.prank(limiter);
        compliance.setVolumeLimit(5, 0);
        assertFalse(compliance.countsIdentities(), "no window");
        vm.prank(limiter);
        compliance.setHoldingCap(5);
        assertTrue(compliance.countsIdentities(), "a cap");
        vm.prank(limiter);
        compliance.setHoldingCap(NONE);
        assertFalse(compliance.countsIdentities(), "none");
        vm.prank(limiter);
        compliance.setOwnLimits("bob", true, NONE, NONE);
        assertTrue(compliance.countsIdentities(), "somebody's own");
    }

    function test_wallets_of_an_identity_have_a_bound() public {
        for (uint160 i = 0; i < 14; ++i) {
            vm.prank(registrar);
            identities.registerWallet(address(0xF000 + i), "alice");
        }
        assertEq(identities.walletsOf("alice").length, 16, "wallets");
        vm.prank(registrar);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.TooManyWallets.selector, bytes32("alice"), 16));
        identities.registerWallet(address(0xFFFF), "alice");
        vm.prank(registrar);
        identities.removeWallet(alice);
        assertEq(identities.walletsOf("alice").length, 15, "one less");
    }

    function _volume(uint256 units) private {
        vm.prank(limiter);
        compliance.setVolumeLimit(units, WINDOW);
    }

    function test_a_country_or_an_identity_named_twice_is_on_its_list_once() public {
        uint16[] memory list = new uint16[](2);
        (list[0], list[1]) = (840, 840);
        _countries(Limits.CountryRule.Refuse, list);
        _refused(note, alice, bob, 0, RestrictionCodes.SENDER_COUNTRY, 0);
        _countries(Limits.CountryRule.Refuse, new uint16[](0));
        _send(note, alice, bob, 1);
        bytes32[] memory names = new bytes32[](2);
        (names[0], names[1]) = (bytes32("bob"), "bob");
        vm.prank(freezer);
        identities.setSanctioned(names, true);
        _refused(note, alice, bob, 0, RestrictionCodes.RECIPIENT_SANCTIONED, 0);
        setSanctioned("bob", false);
        _send(note, alice, bob, 1);
    }

    function _countries(Limits.CountryRule rule, uint16[] memory list) private {
        vm.prank(limiter);
        compliance.setCountries(rule, list);
    }

    function _send(SecurityToken token, address from, address to, uint256 amount) private {
        assertTrue(token.canTransfer(from, to, amount), "can");
        vm.prank(from);
        token.transfer(to, amount);
    }

    /// @dev The code, the largest amount, canTransfer and the transfer agree (I3).
    function _refused(
        SecurityToken token,
        address from,
        address to,
        uint256 amount,
        uint8 code,
        uint256 largest
    ) private {
        assertEq(token.detectTransferRestriction(from, to, amount), code, "code");
        (uint256 found, ) = token.largestTransfer(from, to);
        assertEq(found, largest, "largest");
        assertFalse(token.canTransfer(from, to, amount), "can transfer");
        if (largest != 0) assertTrue(token.canTransfer(from, to, largest), "the largest passes");
        vm.prank(from);
        vm.expectRevert();
        token.transfer(to, amount);
    }
}
