// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {Roles} from "src/Roles.sol";
import {RepoFacility} from "src/repo/RepoFacility.sol";
import {MarginRule, RepoHash, RepoTerms} from "src/repo/RepoTerms.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {FixedOracle} from "../doubles/FixedOracle.sol";
import {LifeDesk} from "./LifeDesk.sol";

/// @notice Bob lends dollars, Alice borrows them against two securities; whole days count from START.
abstract contract RepoDesk is LifeDesk {
    bytes32 internal constant FIRST = "912797AA1";
    bytes32 internal constant SECOND = "912797BB2";
    uint64 internal constant MATURES = START + 900 days;
    uint256 internal constant STOCK = 1e15;

    RepoFacility internal facility;
    FixedOracle internal oracle;
    SecurityToken internal first;
    SecurityToken internal second;
    uint256 internal lastNonce = 1_000;

    function setUp() public virtual override {
        super.setUp();
        oracle = new FixedOracle();
        facility = new RepoFacility(settlement, usd, payer, IPriceOracle(address(oracle)));
        manager.grantRole(Roles.CUSTODIAN, address(facility), 0);
        enrol("repo-facility", address(facility));
        first = createMaturing(FIRST, MATURES);
        second = createMaturing(SECOND, MATURES);
        issue(first, alice, STOCK);
        issue(second, alice, STOCK);
        issueCash(usd, alice, STOCK);
        issueCash(usd, bob, STOCK);
        oracle.set(FIRST, 100e6);
        oracle.set(SECOND, 98_500_000);
    }

    /// @dev 10,000 of face at par lends 9,900 at a haircut of 1%, 3.6% for 30 days.
    function standard(uint256 nonce) internal view returns (RepoTerms memory terms) {
        uint64 start = today();
        terms = RepoTerms({
            lender: bob,
            borrower: alice,
            token: address(first),
            face: 10_000e6,
            cash: 9_900e6,
            rateE9: 36_000_000,
            start: start,
            end: start + 30 days,
            marginRule: MarginRule.Haircut,
            marginE9: 10_000_000,
            callSeconds: 1 hours,
            nonce: nonce
        });
    }

    function today() internal view returns (uint64) {
        return START + (uint64(block.timestamp) - START) / 1 days * 1 days;
    }

    function opening(RepoTerms memory terms) internal returns (Instruction memory) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(terms.token, terms.borrower, address(facility), terms.face);
        legs[1] = Leg(address(usd), terms.lender, terms.borrower, terms.cash);
        return under(legs, facility.hashTerms(terms));
    }

    function open(RepoTerms memory terms) internal returns (bytes32) {
        Instruction memory instruction = opening(terms);
        return facility.open(terms, instruction, signed(instruction));
    }

    function under(Leg[] memory legs, bytes32 context) internal returns (Instruction memory) {
        return Instruction(legs, 0, type(uint64).max, ++lastNonce, context, planHash(context, legs));
    }

    /// @dev Alice gives the facility one thing.
    function alone(address token, uint256 amount, bytes32 context) internal returns (Instruction memory) {
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(token, alice, address(facility), amount);
        return under(legs, context);
    }

    function byAlice(Instruction memory instruction) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](1);
        signatures[0] = signature(aliceKey, digest(instruction));
    }

    function byBob(Instruction memory instruction) internal view returns (bytes memory) {
        return signature(bobKey, digest(instruction));
    }

    function actsOf(bytes32 id) internal view returns (uint32) {
        return facility.repoOf(id).acts;
    }

    function margin(bytes32 id, address token, uint256 amount) internal returns (Instruction memory) {
        return alone(token, amount, RepoHash.ofMargin(id, actsOf(id), today()));
    }

    function deliver(bytes32 id, address token, uint256 amount) internal {
        Instruction memory made = margin(id, token, amount);
        facility.deliverMargin(id, today(), made, byAlice(made));
    }

    function substitution(bytes32 id, SecurityToken token, uint256 face) internal returns (Instruction memory) {
        bytes32 context = RepoHash.ofSubstitution(id, actsOf(id), today(), address(token), face);
        return alone(address(token), face, context);
    }

    function substitute(bytes32 id, SecurityToken token, uint256 face) internal {
        Instruction memory made = substitution(id, token, face);
        facility.substitute(id, today(), token, face, made, byAlice(made), byBob(made));
    }

    function repayment(bytes32 id, uint256 principal, uint256 face, uint256 pays) internal returns (Instruction memory) {
        return alone(address(usd), pays, RepoHash.ofRepurchase(id, actsOf(id), today(), principal, face));
    }

    function repurchase(bytes32 id, uint256 principal, uint256 face, uint256 pays, bool consent) internal {
        Instruction memory made = repayment(id, principal, face, pays);
        bytes memory agreed = consent ? byBob(made) : bytes("");
        facility.repurchase(id, today(), principal, face, made, byAlice(made), agreed);
    }

    function repurchaseAll(bytes32 id, bool consent) internal {
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        repurchase(id, principal, 0, principal + interest, consent);
    }
}
