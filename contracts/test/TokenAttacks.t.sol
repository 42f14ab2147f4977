// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {ICompliance} from "src/interfaces/ICompliance.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Holds} from "src/token/Holds.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Settlement} from "src/Settlement.sol";
import {LifeDesk} from "./base/LifeDesk.sol";

/// @notice A wallet that calls back whenever it could be called: no token ever does.
contract Eager {
    uint256 public calls;

    fallback() external {
        ++calls;
    }
}

/// @notice Attacks on a security: pauses, denominations, permits, clones, roles, names used twice.
contract TokenAttacksTest is LifeDesk {

    // --- a pause ------------------------------------------------------------------------------------------------

    /// @notice Every way a unit could move while its security is paused.
    function test_no_way_around_a_pause() public {
        createHold(alice, "before", carol, bob, 10);
        vm.prank(alice);
        note.approve(carol, 100);
        Instruction memory trade = dvp(1);
        _pause(true);
        _standsStill(trade, RestrictionCodes.PAUSED, ICompliance.SecurityPaused.selector);
        _reverts(carol, address(note), abi.encodeCall(note.executeHold, (holdId(alice, "before"), 10)), _cannotTransfer(alice, bob, 10));
        vm.prank(carol);
        note.releaseHold(holdId(alice, "before")); // ends, and moves nothing
        vm.prank(enforcer);
        note.forcedTransfer(alice, bob, 5); // a court is not stopped
        _pause(false);
        settlement.settle(trade, signed(trade)); // nothing was used up
        assertEq(note.balanceOf(bob), 105, "goes on");
    }

    /// @notice A mirror of a paused security: a second token of its CUSIP, or one that claims to be.
    function test_mirror_of_a_paused_security() public {
        _pause(true);
        _reverts(
            issuer,
            address(factory),
            abi.encodeCall(factory.create, (CUSIP, keccak256("mirror"), MATURITY)),
            abi.encodeWithSelector(AssetRegistry.AssetAlreadyRegistered.selector, CUSIP, note)
        );
        bytes memory arguments = abi.encode(manager, compliance, CUSIP, TERMS, MATURITY);
        SecurityToken mirror = SecurityToken(Clones.cloneWithImmutableArgs(address(implementation), arguments));
        bytes memory reason = abi.encodeWithSelector(ICompliance.NotAToken.selector, mirror);
        _reverts(issuer, address(mirror), abi.encodeCall(mirror.issue, (alice, 1)), reason);
        _reverts(alice, address(mirror), abi.encodeCall(mirror.transfer, (bob, 0)), reason);
        _reverts(
            registrant,
            address(assets),
            abi.encodeCall(assets.register, (address(mirror))),
            abi.encodeWithSelector(AssetRegistry.AssetAlreadyRegistered.selector, CUSIP, note)
        );
    }

    function test_one_pause_is_one_securitys() public {
        SecurityToken other = createSecurity("91282CQE4");
        issue(other, alice, 10);
        _pause(true);
        vm.prank(alice);
        other.transfer(bob, 10);
        assertTrue(assets.isPaused(address(note)) && !assets.isPaused(address(other)), "one");
        assertEq(assets.assetIdOf(address(note)), CUSIP, "the name stands");
    }

    function test_redemption_is_not_stopped_by_a_pause() public {
        _pause(true);
        vm.warp(MATURITY);
        vm.prank(issuer);
        issuance.openRedemption(note, MATURITY, treasury);
        vm.prank(treasury);
        issuance.fundRedemption(note, 1_000_000);
        issuance.redeem(note, one(alice));
        assertEq(usd.balanceOf(alice), 1_000_000, "repaid");
    }

    // --- denomination -------------------------------------------------------------------------------------------

    function test_denomination() public {
        _denominate(250);
        assertEq(assets.denominationOf(address(note)), 250, "shown");
        (uint256 largest, uint8 code) = note.largestTransfer(alice, bob);
        assertTrue(largest == 1_000_000 && code == RestrictionCodes.BALANCE, "the balance, which is a multiple");
        setTradeLimit(999);
        (largest, code) = note.largestTransfer(alice, bob);
        assertTrue(largest == 750 && code == RestrictionCodes.DENOMINATION, "a multiple below the limit");
        assertEq(note.detectTransferRestriction(alice, bob, 251), RestrictionCodes.DENOMINATION, "code");
        _reverts(alice, address(note), abi.encodeCall(note.transfer, (bob, 251)), _cannotTransfer(alice, bob, 251));
        _reverts(issuer, address(note), abi.encodeCall(note.issue, (bob, 1)), _cannotTransfer(address(0), bob, 1));
        vm.prank(alice);
        note.transfer(bob, 500);
        vm.prank(alice);
        note.transfer(bob, 0);
        _denominate(1);
        vm.prank(alice);
        note.transfer(bob, 1);
        uint256[2] memory wrong = [uint256(0), uint256(type(uint56).max) + 1];
        for (uint256 i = 0; i < 2; ++i) {
            _reverts(
                issuer,
                address(assets),
                abi.encodeCall(assets.setDenomination, (address(note), wrong[i])),
                abi.encodeWithSelector(AssetRegistry.DenominationOutOfRange.selector, wrong[i])
            );
        }
        _reverts(
            issuer,
            address(assets),
            abi.encodeCall(assets.setDenomination, (stranger, 1)),
            abi.encodeWithSelector(AssetRegistry.UnregisteredAsset.selector, stranger)
        );
    }

    /// @notice I3 under a denomination, a pause and a limit; a largest amount that passes.
    function testFuzz_I3_denominated(uint56 lot, uint256 amount, uint256 limit, bool paused, uint8 near) public {
        lot = uint56(between(lot, 1, 2_000_000));
        _denominate(lot);
        if (limit % 3 != 0) setTradeLimit(between(limit, 0, 2_000_000));
        _pause(paused);
        (uint256 largest, uint8 code) = note.largestTransfer(alice, bob);
        assertTrue(largest == 0 || note.canTransfer(alice, bob, largest), "largest passes");
        assertTrue(largest % lot == 0 || code != RestrictionCodes.DENOMINATION, "a multiple");
        amount = near % 3 == 0 ? between(amount, 0, 2_000_000) : near % 3 == 1 ? largest + (near & 4) / 4 : lot;
        bool expected = note.canTransfer(alice, bob, amount);
        assertTrue(!expected || (amount % lot == 0 && amount <= largest), "no more, and multiples only");
        vm.prank(alice);
        (bool success, ) = address(note).call(abi.encodeCall(note.transfer, (bob, amount)));
        assertTrue(success == expected, "I3");
    }

    /// @notice Dust: a coupon in many slivers pays no more than in one piece, and what the floors leave is the payer's.
    function testFuzz_I9_dust_farming(uint8 slivers, uint128 numerator) public {
        uint256 count = between(slivers, 2, 12);
        numerator = uint128(between(numerator, 1, 1e9));
        for (uint256 i = 1; i < count; ++i) {
            address wallet = address(uint160(0xF000 + i));
            vm.prank(registrar);
            identities.registerWallet(wallet, "alice");
            vm.prank(alice);
            note.transfer(wallet, i);
        }
        vm.prank(issuer);
        bytes32 id = payer.announce(note, START + 100, START + 100, numerator, 1e9);
        vm.warp(START + 100);
        vm.prank(treasury);
        payer.fund(id);
        uint256 before = usd.balanceOf(treasury);
        for (uint256 i = 1; i < count; ++i) payer.pay(id, one(address(uint160(0xF000 + i))));
        payer.pay(id, one(alice));
        uint256 received = usd.balanceOf(alice);
        for (uint256 i = 1; i < count; ++i) received += usd.balanceOf(address(uint160(0xF000 + i)));
        uint256 whole = (uint256(1_000_000) * numerator) / 1e9;
        assertTrue(received <= whole, "slivers earn nothing");
        assertEq(usd.balanceOf(treasury) - before, whole - received, "the rest is the payer's");
        assertTrue(whole - received < count, "dust < holders");
    }

    // --- permits ------------------------------------------------------------------------------------------------

    /// @notice Who brings a permit before its owner does gives the spender what was signed, and nothing else.
    function test_permit_front_running() public {
        (uint8 v, bytes32 r, bytes32 s) = _permit(alice, carol, 70, block.chainid, address(note));
        vm.prank(stranger);
        note.permit(alice, carol, 70, START, v, r, s);
        assertEq(note.allowance(alice, carol), 70, "as signed");
        assertEq(note.allowance(alice, stranger), 0, "not his");
        vm.prank(carol);
        (bool success, ) = address(note).call(abi.encodeCall(note.permit, (alice, carol, 70, START, v, r, s)));
        assertFalse(success, "twice");
        vm.prank(carol);
        note.transferFrom(alice, bob, 70); // the deal that was to follow goes on
        assertEq(note.allowance(alice, carol), 0, "used");
    }

    function test_permit_malleability_and_other_chains() public {
        (uint8 v, bytes32 r, bytes32 s) = _permit(alice, carol, 70, block.chainid, address(note));
        assertTrue(uint256(s) <= ORDER / 2, "low s");
        (bool success, ) = address(note).call(
            abi.encodeCall(note.permit, (alice, carol, 70, START, v == 27 ? 28 : 27, r, bytes32(ORDER - uint256(s))))
        );
        assertFalse(success, "the other signature of the same");
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        note.permit(alice, carol, 70, START, v, r, s);
        vm.chainId(here);
        SecurityToken other = createSecurity("91282CQE4");
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        other.permit(alice, carol, 70, START, v, r, s);
        note.permit(alice, carol, 70, START, v, r, s);
        vm.warp(START + 1);
        (v, r, s) = _permit(alice, carol, 71, block.chainid, address(note));
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, uint256(START)));
        note.permit(alice, carol, 71, START, v, r, s);
    }

    // --- hooks, clones, roles, names ----------------------------------------------------------------------------

    /// @notice No token calls whom it moves units to or from: there is no hook to enter again through.
    function test_no_hook() public {
        Eager eager = new Eager();
        enrol("eager", address(eager));
        issue(note, address(eager), 10);
        vm.prank(alice);
        note.transfer(address(eager), 10);
        vm.prank(address(eager));
        note.transfer(bob, 5);
        issueCash(usd, address(eager), 1);
        createHold(alice, "h", address(eager), address(eager), 10);
        vm.prank(enforcer);
        note.forcedTransfer(address(eager), bob, 1);
        assertEq(eager.calls(), 0, "never called");
    }

    /// @notice A clone that somebody made with an authority of his own issues nothing that counts.
    function test_clone_hijack() public {
        bytes memory arguments = abi.encode(address(this), address(this), CUSIP, TERMS, MATURITY);
        SecurityToken forged = SecurityToken(Clones.cloneWithImmutableArgs(address(implementation), arguments));
        forged.issue(alice, 1_000); // this test answers as its authority and its rules
        assertEq(forged.balanceOf(alice), 1_000, "among themselves");
        assertFalse(assets.isRegistered(address(forged)), "not an asset");
        assertEq(note.balanceOf(alice), 1_000_000, "nothing of the real one");
        vm.expectRevert(abi.encodeWithSelector(ICompliance.NotAToken.selector, forged));
        vm.prank(address(forged));
        compliance.moved(address(0), alice, 1_000);
        bytes memory none = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(this));
        _reverts(address(this), address(implementation), abi.encodeCall(implementation.issue, (alice, 1)), none);
        _reverts(
            stranger,
            address(factory),
            abi.encodeCall(factory.create, ("91282CQE4", TERMS, MATURITY)),
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger)
        );
    }

    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }

    function issuing(address, uint256) external pure returns (uint256, uint8) {
        return (type(uint256).max, 0);
    }

    /// @notice Nobody gives himself a role, maps a function, or gets at one security through another.
    function test_role_escalation() public {
        address[7] memory holders = [registrar, issuer, freezer, enforcer, cashIssuer, limiter, registrant];
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = SecurityToken.forcedTransfer.selector;
        bytes[5] memory tries = [
            abi.encodeCall(manager.grantRole, (Roles.ENFORCER, issuer, 0)),
            abi.encodeCall(manager.setTargetFunctionRole, (address(implementation), selectors, Roles.ISSUER)),
            abi.encodeCall(manager.setTargetClosed, (address(implementation), true)),
            abi.encodeCall(manager.setGrantDelay, (Roles.ENFORCER, 0)),
            abi.encodeCall(manager.setRoleAdmin, (Roles.ENFORCER, Roles.ISSUER))
        ];
        for (uint256 i = 0; i < holders.length; ++i) {
            for (uint256 k = 0; k < tries.length; ++k) {
                vm.prank(holders[i]);
                (bool success, bytes memory reason) = address(manager).call(tries[k]);
                assertFalse(success, "escalated");
                assertEq(bytes32(bytes4(reason)), bytes32(IAccessManager.AccessManagerUnauthorizedAccount.selector), "why");
            }
            vm.prank(holders[i]);
            (bool relayed, ) = address(manager).call(
                abi.encodeCall(manager.execute, (address(note), abi.encodeCall(note.forcedTransfer, (alice, bob, 1))))
            );
            assertFalse(relayed, "through the manager");
        }
        vm.expectRevert(SecurityToken.AuthorityIsFixed.selector);
        note.setAuthority(stranger);
    }

    function test_a_hold_named_twice_ends_once() public {
        createHold(alice, "h", carol, bob, 400_000);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (holdId(alice, "h"), holdId(alice, "h"));
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldNotPending.selector, holdId(alice, "h"), Holds.HoldStatus.Released));
        vm.prank(enforcer);
        note.forcedTransferEndingHolds(alice, bob, 1_000_000, ids);
        assertEq(note.heldOf(alice), 400_000, "as before");
    }

    function test_a_recipient_named_twice_is_paid_twice() public {
        (address[] memory to, uint256[] memory amounts) = (two(bob, bob), new uint256[](2));
        (amounts[0], amounts[1]) = (600_000, 400_001);
        vm.prank(alice);
        (bool success, ) = address(note).call(abi.encodeCall(note.batchTransfer, (to, amounts)));
        assertFalse(success, "more than there is");
        amounts[1] = 400_000;
        vm.prank(alice);
        note.batchTransfer(to, amounts);
        assertEq(note.balanceOf(bob), 1_000_000, "both");
    }

    // --- judgement ----------------------------------------------------------------------------------------------

    /// @notice Settlement answers for several legs together, and nothing has moved.
    function test_judge_counts_the_legs_before_and_moves_nothing() public {
        Leg[] memory legs = new Leg[](4);
        legs[0] = Leg(address(note), alice, bob, 1_000_000);
        legs[1] = Leg(address(note), alice, bob, 1);
        legs[2] = Leg(address(note), bob, carol, 1_000_000);
        legs[3] = Leg(address(usd), bob, carol, 1_000_001);
        Settlement.Finding[] memory found = new Settlement.Finding[](4);
        found[0] = Settlement.Finding(1_000_000, RestrictionCodes.SUCCESS);
        found[1] = Settlement.Finding(0, RestrictionCodes.BALANCE);
        found[2] = Settlement.Finding(1_000_000, RestrictionCodes.SUCCESS);
        found[3] = Settlement.Finding(1_000_000, RestrictionCodes.BALANCE);
        vm.expectRevert(abi.encodeWithSelector(Settlement.Judged.selector, found));
        settlement.judge(legs);
        legs[0].token = stranger;
        vm.expectRevert(abi.encodeWithSelector(Settlement.UnregisteredToken.selector, stranger));
        settlement.judge(legs);
        assertNothingMoved();
    }

    /// @notice I3: what `judge` says of one leg is what its transfer does.
    function testFuzz_I3_judge(uint56 lot, uint256 amount, uint256 limit, uint256 frozen) public {
        _denominate(between(lot, 1, 500_000));
        if (limit % 2 == 0) setTradeLimit(between(limit, 0, 2_000_000));
        freeze(note, alice, between(frozen, 0, 1_500_000));
        amount = between(amount, 0, 1_100_000);
        (uint256 largest, uint8 code) = note.judge(alice, bob, amount);
        vm.prank(alice);
        (bool success, ) = address(note).call(abi.encodeCall(note.transfer, (bob, amount)));
        assertTrue(success == (code == RestrictionCodes.SUCCESS), "I3");
        assertTrue(success ? amount <= largest : amount > largest || largest == 0, "largest");
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _pause(bool paused) private {
        vm.prank(freezer);
        assets.setPaused(address(note), paused);
    }

    function _denominate(uint256 units) private {
        vm.prank(issuer);
        assets.setDenomination(address(note), units);
    }

    function _permit(
        address owner,
        address spender,
        uint256 value,
        uint256 chain,
        address verifier
    ) private view returns (uint8, bytes32, bytes32) {
        bytes32 permitType =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        uint256 nonce = SecurityToken(verifier).nonces(owner);
        bytes32 structHash = keccak256(abi.encode(permitType, owner, spender, value, nonce, uint256(START)));
        return vm.sign(aliceKey, keccak256(abi.encodePacked(hex"1901", _domain(chain, verifier), structHash)));
    }

    function _domain(uint256 chain, address verifier) private pure returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(kind, keccak256("tbill_defi SecurityToken"), keccak256("1"), chain, verifier));
    }
}
