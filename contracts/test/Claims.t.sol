// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Claims, KYC_TOPIC} from "src/identity/Claims.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice Trusted issuers and what they say; the sanctions list.
contract ClaimsTest is Ledger {
    uint8 private constant CLASS_TOPIC = 2;
    uint64 private constant LATER = START + 30 days;
    uint256 private constant ALL = type(uint256).max;
    address private kyc = address(0x155E);
    address private other = address(0x155F);

    function setUp() public override {
        super.setUp();
        _trust(kyc, 1 << KYC_TOPIC);
        issue(note, alice, 1_000);
    }

    // --- issuers ------------------------------------------------------------------------------------------------

    function test_issuers_are_trusted_by_topic() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, kyc));
        vm.prank(kyc);
        identities.trustIssuer(kyc, ALL);
        vm.expectRevert(abi.encodeWithSelector(Claims.IssuerNotTrusted.selector, kyc, CLASS_TOPIC));
        vm.prank(kyc);
        identities.issueClaim("alice", CLASS_TOPIC, 3, 840, LATER);
        vm.expectEmit(address(identities));
        emit Claims.IssuerTrusted(kyc, (1 << 255) | (1 << CLASS_TOPIC));
        _trust(kyc, (1 << 255) | (1 << CLASS_TOPIC));
        assertEq(identities.topicsOf(kyc), (1 << 255) | (1 << CLASS_TOPIC), "its topics");
        assertEq(identities.issuersOf(KYC_TOPIC).length, 0, "no longer KYC");
        assertEq(identities.issuersOf(255)[0], kyc, "the last topic there is");
        _claim(kyc, "alice", CLASS_TOPIC, 3, LATER);
        vm.expectRevert(abi.encodeWithSelector(Claims.InvalidIssuer.selector, address(0)));
        vm.prank(registrar);
        identities.trustIssuer(address(0), 1);
    }

    function test_at_most_eight_issuers_a_topic() public {
        for (uint160 i = 1; i < 8; ++i) _trust(address(i), 1 << KYC_TOPIC);
        vm.expectRevert(abi.encodeWithSelector(Claims.TooManyIssuers.selector, KYC_TOPIC, 8));
        _trust(other, 1 << KYC_TOPIC);
        _trust(address(3), 0);
        _trust(other, 1 << KYC_TOPIC);
        address[] memory list = identities.issuersOf(KYC_TOPIC);
        assertEq(list.length, 8, "one left, one came");
        for (uint256 i = 0; i < 8; ++i) assertFalse(list[i] == address(3), "who left");
    }

    function test_claims_are_written_over_revoked_and_expire() public {
        _trust(kyc, 1 << CLASS_TOPIC);
        vm.expectRevert(abi.encodeWithSelector(Claims.ClaimExpiryPassed.selector, bytes32("alice"), START - 1));
        vm.prank(kyc);
        identities.issueClaim("alice", CLASS_TOPIC, 3, 840, START - 1);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.UnknownIdentity.selector, bytes32("nobody")));
        vm.prank(kyc);
        identities.issueClaim("nobody", CLASS_TOPIC, 3, 840, LATER);
        vm.expectEmit(address(identities));
        emit Claims.ClaimIssued("alice", CLASS_TOPIC, kyc, 3, 840, LATER);
        vm.prank(kyc);
        identities.issueClaim("alice", CLASS_TOPIC, 3, 840, LATER);
        Claims.Claim memory claim = identities.claimOf("alice", CLASS_TOPIC, kyc);
        assertEq(claim.issuedAt, START, "issued");
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, 1 << 3, 840), LATER, "the class, the country");
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, ~uint256(1 << 3), 0), 0, "another class");
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, ALL, 826), 0, "another country");
        vm.warp(LATER);
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, ALL, 0), LATER, "through its last second");
        vm.warp(LATER + 1);
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, ALL, 0), 0, "over");
        _claim(kyc, "alice", CLASS_TOPIC, 2, LATER + 9);
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, 1 << 2, 0), LATER + 9, "renewed in another class");
        vm.expectRevert(abi.encodeWithSelector(Claims.ClaimNotFound.selector, bytes32("alice"), CLASS_TOPIC, other));
        vm.prank(other);
        identities.revokeClaim("alice", CLASS_TOPIC);
        vm.expectEmit(address(identities));
        emit Claims.ClaimRevoked("alice", CLASS_TOPIC, kyc);
        vm.prank(kyc);
        identities.revokeClaim("alice", CLASS_TOPIC);
        assertEq(identities.claimHolds("alice", CLASS_TOPIC, ALL, 0), 0, "revoked");
    }

    /// @notice The answer is the best of the trusted issuers' valid claims, by a plain count.
    function testFuzz_claims_answer_for_the_trusted(uint64[4] memory expiries, uint8 trusted, uint8 class) public {
        uint64 best;
        for (uint160 i = 0; i < 4; ++i) {
            _trust(address(i + 1), 1 << CLASS_TOPIC);
            expiries[i] = START + uint64(expiries[i] % 100);
            _claim(address(i + 1), "bob", CLASS_TOPIC, class, expiries[i]);
        }
        vm.warp(START + 50);
        for (uint160 i = 0; i < 4; ++i) {
            bool stays = trusted & (1 << i) != 0;
            if (!stays) _trust(address(i + 1), 0);
            if (stays && expiries[i] >= START + 50 && expiries[i] > best) best = expiries[i];
        }
        assertEq(identities.claimHolds("bob", CLASS_TOPIC, 1 << class, 0), best, "best");
    }

    // --- KYC by an issuer ---------------------------------------------------------------------------------------

    function test_an_issuers_claim_is_as_good_as_the_registrars() public {
        setClaim("bob", START + 1);
        _claim(kyc, "bob", KYC_TOPIC, 0, LATER);
        vm.warp(START + 2);
        _passes(true);
        assertEq(identities.claimExpiry("bob"), LATER, "the later one");
        vm.prank(kyc);
        identities.revokeClaim("bob", KYC_TOPIC);
        _passes(false);
    }

    function test_a_kyc_claim_is_of_the_registered_country() public {
        bytes4 why = Claims.ClaimOfAnotherCountry.selector;
        vm.expectRevert(abi.encodeWithSelector(why, bytes32("bob"), uint16(826), uint16(840)));
        vm.prank(kyc);
        identities.issueClaim("bob", KYC_TOPIC, 0, 826, LATER);
        vm.prank(kyc);
        identities.issueClaim("bob", KYC_TOPIC, 0, 840, LATER);
    }

    /// @notice Attack: an issuer that lost its trust speaks on. What it said and says counts for nothing at once.
    function test_a_revoked_issuer_counts_for_nothing() public {
        setClaim("bob", 0);
        vm.warp(START + 1);
        _claim(kyc, "bob", KYC_TOPIC, 0, LATER);
        _passes(true);
        _trust(kyc, 0);
        _passes(false);
        assertEq(identities.claimExpiry("bob"), 0, "nothing holds");
        vm.expectRevert(abi.encodeWithSelector(Claims.IssuerNotTrusted.selector, kyc, KYC_TOPIC));
        vm.prank(kyc);
        identities.issueClaim("bob", KYC_TOPIC, 0, 840, LATER);
        vm.prank(kyc);
        identities.revokeClaim("bob", KYC_TOPIC); // what it takes back stays taken back
        _trust(kyc, 1 << KYC_TOPIC);
        _passes(false);
    }

    /// @notice The registrar's revocation ends issuers' claims of before, another issuer's too; a later one counts.
    function test_the_registrars_revocation_ends_what_issuers_said_before() public {
        _trust(other, 1 << KYC_TOPIC);
        _claim(kyc, "bob", KYC_TOPIC, 0, LATER + 1);
        setClaim("bob", 0);
        _passes(false);
        _claim(other, "bob", KYC_TOPIC, 0, LATER);
        _passes(false); // in the same second: not later
        vm.warp(START + 1);
        _claim(other, "bob", KYC_TOPIC, 0, LATER);
        _passes(true);
        assertEq(identities.claimExpiry("bob"), LATER, "not the older one");
        vm.prank(other);
        identities.revokeClaim("bob", KYC_TOPIC);
        _passes(false);
        setClaim("bob", LATER);
        _passes(true);
    }

    // --- sanctions ----------------------------------------------------------------------------------------------

    function test_a_sanctioned_identity_neither_sends_nor_receives_with_any_wallet() public {
        issue(note, bob, 1_000);
        vm.prank(registrar);
        identities.registerWallet(address(0xB0B2), "bob");
        _claim(kyc, "bob", KYC_TOPIC, 0, LATER);
        vm.expectEmit(address(identities));
        emit IdentityRegistry.SanctionSet("bob", true);
        setSanctioned("bob", true);
        assertTrue(identities.isSanctioned("bob") && identities.isWalletSanctioned(address(0xB0B2)), "listed");
        assertFalse(note.canSend(bob), "cannot deal");
        _refused(alice, bob, RestrictionCodes.RECIPIENT_SANCTIONED, IERC7943Fungible.ERC7943CannotReceive.selector);
        _refused(alice, address(0xB0B2), RestrictionCodes.RECIPIENT_SANCTIONED, IERC7943Fungible.ERC7943CannotReceive.selector);
        _refused(bob, alice, RestrictionCodes.SENDER_SANCTIONED, IERC7943Fungible.ERC7943CannotSend.selector);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, bob));
        issue(note, bob, 1);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, bob));
        vm.prank(enforcer);
        note.forcedTransfer(alice, bob, 1);
        vm.prank(enforcer);
        note.forcedTransfer(bob, alice, 1); // seized
        setSanctioned("bob", false);
        _passes(true);
    }

    function test_the_list_is_the_freezers_and_keeps_wallets_in_place() public {
        bytes32[] memory list = new bytes32[](1);
        list[0] = "bob";
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, registrar));
        vm.prank(registrar);
        identities.setSanctioned(list, true);
        setSanctioned("bob", true);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.IdentitySanctioned.selector, bytes32("bob")));
        vm.prank(registrar);
        identities.removeWallet(bob);
        setClaim("bob", 0);
        setClaim("bob", LATER);
        _passes(false); // no claim lifts it
        list[0] = "nobody";
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.UnknownIdentity.selector, bytes32("nobody")));
        vm.prank(freezer);
        identities.setSanctioned(list, true);
    }

    /// @notice I3: whoever is barred in whatever way, the answer is the deed.
    function testFuzz_I3_under_claims_and_sanctions(uint8 bits, uint64 expiry, uint16 later, uint256 amount) public {
        amount = between(amount, 0, 1_100);
        if (bits & 1 != 0) setClaim("bob", between64(expiry));
        if (bits & 2 != 0) setClaim("bob", 0);
        vm.warp(START + between(later, 0, 99));
        if (bits & 4 != 0) _claim(kyc, "bob", KYC_TOPIC, 0, uint64(block.timestamp) + 10);
        if (bits & 8 != 0) setSanctioned("bob", true);
        if (bits & 16 != 0) setSanctioned("alice", true);
        if (bits & 32 != 0) _trust(kyc, 0);
        if (bits & 64 != 0) setTradeLimit(500);
        vm.warp(block.timestamp + later / 256);
        bool can = note.canTransfer(alice, bob, amount);
        vm.prank(alice);
        (bool done, ) = address(note).call(abi.encodeCall(note.transfer, (bob, amount)));
        assertTrue(can == done, "I3");
        if (bits & 24 != 0) assertFalse(done, "sanctioned");
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function between64(uint64 seed) private pure returns (uint64) {
        return START + (seed % 100);
    }

    function _trust(address issuer_, uint256 topics) private {
        vm.prank(registrar);
        identities.trustIssuer(issuer_, topics);
    }

    function _claim(address by, bytes32 identity, uint8 topic, uint8 class, uint64 expiry) private {
        vm.prank(by);
        identities.issueClaim(identity, topic, class, 0, expiry);
    }

    function _passes(bool does) private {
        assertTrue(note.canTransfer(alice, bob, 1) == does, "answer");
        vm.prank(alice);
        (bool done, ) = address(note).call(abi.encodeCall(note.transfer, (bob, 1)));
        assertTrue(done == does, "deed");
    }

    function _refused(address from, address to, uint8 code, bytes4 why) private {
        assertEq(note.detectTransferRestriction(from, to, 1), code, "code");
        (uint256 largest, uint8 found) = note.largestTransfer(from, to);
        assertEq(largest, 0, "nothing");
        assertEq(found, code, "binds");
        vm.expectRevert(abi.encodeWithSelector(why, code == RestrictionCodes.SENDER_SANCTIONED ? from : to));
        vm.prank(from);
        note.transfer(to, 1);
    }
}
