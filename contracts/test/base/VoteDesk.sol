// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {HolderVotes} from "src/life/HolderVotes.sol";
import {Custody} from "src/repo/Custody.sol";
import {RepoTerms} from "src/repo/RepoTerms.sol";
import {Roles} from "src/Roles.sol";
import {RepoDesk} from "./RepoDesk.sol";

/// @notice Alice has 600, Bob 300, Carol 100 of a security, and the Treasury 50 of its own.
abstract contract VoteDesk is RepoDesk {
    uint64 internal constant RECORD = START + 1 days;
    uint64 internal constant DEADLINE = RECORD + 10 days;
    uint256 internal constant ALL = 1_000e6;
    bytes32 internal constant TEXT = keccak256("resolved: the guarantor may be released");
    string private constant BALLOT = "Ballot(bytes32 voteId,address holder,bytes32 account,uint8 choice,uint256 nonce)";

    HolderVotes internal votes;
    EarlyRedemption internal queue;

    function setUp() public virtual override {
        super.setUp();
        queue = new EarlyRedemption(address(manager), usd, payer, IPriceOracle(address(oracle)), identities);
        manager.grantRole(Roles.ISSUER, address(queue), 0);
        manager.grantRole(Roles.CUSTODIAN, address(queue), 0);
        map(address(queue), EarlyRedemption.setWindow.selector, Roles.ISSUER);
        enrol("early-redemption", address(queue));
        Custody[] memory custodies = new Custody[](2);
        (custodies[0], custodies[1]) = (facility, queue);
        votes = new HolderVotes(address(manager), identities, issuance, "treasury", custodies);
        map(address(votes), HolderVotes.open.selector, Roles.ISSUER);
        map(address(votes), HolderVotes.withdraw.selector, Roles.ISSUER);
        security = createMaturing("912797ZZ1", MATURES);
        oracle.set("912797ZZ1", 100e6);
        issue(security, alice, 600e6);
        issue(security, bob, 300e6);
        issue(security, carol, 100e6);
        issue(security, treasury, 50e6);
        EarlyRedemption.Terms memory window =
            EarlyRedemption.Terms(START, START + 50 days, treasury, 1e6, 500e6, 99e6, 12 hours);
        vm.prank(issuer);
        queue.setWindow(security, window);
        vm.prank(treasury);
        usd.approve(address(queue), type(uint256).max);
        vm.prank(treasury);
        queue.fund(security, 1_000e6);
    }

    /// @dev More than half of what votes for or against, without a quorum.
    function majority() internal view returns (HolderVotes.Terms memory) {
        return HolderVotes.Terms(security, RECORD, DEADLINE, 1, 2, 0, true, false, TEXT);
    }

    function ask(HolderVotes.Terms memory terms) internal returns (bytes32 voteId) {
        vm.prank(issuer);
        voteId = votes.open(terms);
    }

    /// @dev At the record time.
    function asked() internal returns (bytes32) {
        vm.warp(RECORD);
        return ask(majority());
    }

    function say(bytes32 voteId, address holder, HolderVotes.Choice choice) internal {
        vm.prank(holder);
        votes.cast(voteId, holder, 0, choice);
    }

    function yes(bytes32 voteId, address holder) internal {
        say(voteId, holder, HolderVotes.Choice.For);
    }

    function no(bytes32 voteId, address holder) internal {
        say(voteId, holder, HolderVotes.Choice.Against);
    }

    function tallyOf(bytes32 voteId) internal view returns (HolderVotes.Tally memory tally) {
        (, , tally) = votes.voteOf(voteId);
    }

    function assertTally(bytes32 voteId, uint256 inFavour, uint256 against, uint256 abstained) internal view {
        HolderVotes.Tally memory tally = tallyOf(voteId);
        assertEq(tally.inFavour, inFavour, "in favour");
        assertEq(tally.against, against, "against");
        assertEq(tally.abstained, abstained, "abstained");
        assertEq(tally.silent, ALL - inFavour - against - abstained, "silent");
    }

    function weightOf(bytes32 voteId, address holder, bytes32 account) internal view returns (uint256 weight) {
        (, , weight) = votes.positionOf(voteId, holder, account);
    }

    function ballotOf(
        bytes32 voteId,
        address holder,
        HolderVotes.Choice choice
    ) internal pure returns (HolderVotes.Ballot memory) {
        return HolderVotes.Ballot(voteId, holder, 0, choice, 0);
    }

    /// @dev The digest by a second route: from its text.
    function ballotDigest(
        HolderVotes.Ballot memory ballot,
        uint256 chain,
        address verifier
    ) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("tbill_defi HolderVotes"),
                keccak256("1"),
                chain,
                verifier
            )
        );
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(bytes(BALLOT)),
                ballot.voteId,
                ballot.holder,
                ballot.account,
                uint8(ballot.choice),
                ballot.nonce
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }

    function signedBy(uint256 key, HolderVotes.Ballot memory ballot) internal view returns (bytes memory) {
        return signature(key, ballotDigest(ballot, block.chainid, address(votes)));
    }

    /// @dev A holder asks for early redemption of a face.
    function queueUp(address holder, uint88 face) internal returns (bytes32 requestId) {
        vm.prank(holder);
        security.approve(address(queue), face);
        vm.prank(holder);
        requestId = queue.request(security, face);
    }

    /// @dev A repo of alice's, who borrows 100 from bob against a face.
    function pledge(uint256 face) internal returns (bytes32 repoId) {
        RepoTerms memory terms = standard(0);
        (terms.token, terms.face, terms.cash) = (address(security), face, 100e6);
        repoId = open(terms);
    }

    function lose(address wallet, address successor) internal {
        vm.prank(registrar);
        identities.announceRecovery(wallet, successor);
        vm.warp(block.timestamp + 1 days);
        vm.prank(enforcer);
        identities.confirmRecovery(wallet);
    }

    /// @dev The call by `caller` is refused with this reason.
    function refused(address caller, bytes memory data, bytes memory reason) internal {
        _reverts(caller, address(votes), data, reason);
    }

    function castCall(bytes32 voteId, address holder) internal view returns (bytes memory) {
        return castCall(voteId, holder, 0);
    }

    function castCall(bytes32 voteId, address holder, bytes32 account) internal view returns (bytes memory) {
        return abi.encodeCall(votes.cast, (voteId, holder, account, HolderVotes.Choice.For));
    }
}
