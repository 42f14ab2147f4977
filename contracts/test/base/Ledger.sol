// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetFactory} from "src/AssetFactory.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {CashToken} from "src/CashToken.sol";
import {Compliance} from "src/Compliance.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {RoleManager} from "src/RoleManager.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Settlement} from "src/Settlement.sol";
import {Test} from "./Test.sol";

/// @notice The whole system, deployed and wired as the framework does it; each role with a holder of its own.
abstract contract Ledger is Test {
    uint64 internal constant START = 1_780_000_000;
    uint64 internal constant MATURITY = 1_900_000_000;
    bytes32 internal constant CUSIP = "91282CPZ8";
    bytes32 internal constant TERMS = keccak256("terms");

    address internal registrar = address(0xA1);
    address internal issuer = address(0xA2);
    address internal freezer = address(0xA3);
    address internal enforcer = address(0xA4);
    address internal cashIssuer = address(0xA5);
    address internal limiter = address(0xA6);
    address internal registrant = address(0xA7);
    address internal guardian = address(0xA9);

    uint256 internal aliceKey = 0xA11CE;
    uint256 internal bobKey = 0xB0B;
    uint256 internal carolKey = 0xCA201;
    address internal alice;
    address internal bob;
    address internal carol;
    address internal stranger = address(0xBAD);

    RoleManager internal manager;
    IdentityRegistry internal identities;
    AssetRegistry internal assets;
    Compliance internal compliance;
    Settlement internal settlement;
    SecurityToken internal implementation;
    AssetFactory internal factory;
    CashToken internal usd;
    CashToken internal eur;
    SecurityToken internal note;

    function setUp() public virtual {
        vm.warp(START);
        (alice, bob, carol) = (vm.addr(aliceKey), vm.addr(bobKey), vm.addr(carolKey));
        manager = new RoleManager(address(this));
        identities = new IdentityRegistry(address(manager));
        assets = new AssetRegistry(address(manager));
        compliance = new Compliance(address(manager), identities, assets);
        settlement = new Settlement(assets, identities);
        implementation = new SecurityToken(address(settlement));
        factory = new AssetFactory(address(manager), assets, compliance, address(implementation));
        usd = createCash(address(0), "USD", "US Dollar");
        eur = createCash(address(usd), "EUR", "Euro");
        _grantRoles();
        _mapRoles();
        vm.prank(registrant);
        assets.register(address(usd));
        vm.prank(registrant);
        assets.register(address(eur));
        note = createSecurity(CUSIP);
        enrol("alice", alice);
        enrol("bob", bob);
        enrol("carol", carol);
    }

    function createCash(address model, bytes32 currency, string memory name) internal returns (CashToken) {
        return new CashToken(address(manager), address(settlement), compliance, model, currency, name, 6);
    }

    function createSecurity(bytes32 cusip) internal returns (SecurityToken) {
        return createMaturing(cusip, MATURITY);
    }

    function createMaturing(bytes32 cusip, uint64 maturity) internal returns (SecurityToken token) {
        vm.prank(issuer);
        token = SecurityToken(factory.create(cusip, TERMS, maturity));
    }

    function enrol(bytes32 identity, address wallet) internal {
        vm.prank(registrar);
        identities.registerIdentity(identity, 840, type(uint64).max);
        vm.prank(registrar);
        identities.registerWallet(wallet, identity);
    }

    function setClaim(bytes32 identity, uint64 expiry) internal {
        vm.prank(registrar);
        identities.setClaim(identity, expiry);
    }

    function setSanctioned(bytes32 identity, bool sanctioned) internal {
        bytes32[] memory list = new bytes32[](1);
        list[0] = identity;
        vm.prank(freezer);
        identities.setSanctioned(list, sanctioned);
    }

    function issue(SecurityToken token, address to, uint256 amount) internal {
        vm.prank(issuer);
        token.issue(to, amount);
    }

    function issueCash(CashToken token, address to, uint256 amount) internal {
        vm.prank(cashIssuer);
        token.issue(to, amount);
    }

    function freeze(SecurityToken token, address account, uint256 amount) internal {
        vm.prank(freezer);
        token.setFrozenTokens(account, amount);
    }

    function setTradeLimit(uint256 units) internal {
        vm.prank(limiter);
        compliance.setTradeLimit(units);
    }

    function createHold(address holder, bytes32 salt, address notary, address to, uint256 amount) internal {
        vm.prank(holder);
        note.createHold(salt, notary, to, amount, START + 1 days);
    }

    function holdId(address holder, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(holder, salt));
    }

    function _grantRoles() private {
        manager.grantRole(Roles.REGISTRAR, registrar, 0);
        manager.grantRole(Roles.ISSUER, issuer, 0);
        manager.grantRole(Roles.FREEZER, freezer, 0);
        manager.grantRole(Roles.ENFORCER, enforcer, 0);
        manager.grantRole(Roles.CASH_ISSUER, cashIssuer, 0);
        manager.grantRole(Roles.LIMITS, limiter, 0);
        manager.grantRole(Roles.FACTORY, address(factory), 0);
        manager.grantRole(Roles.FACTORY, registrant, 0);
        manager.grantRole(Roles.GUARDIAN, guardian, 0);
    }

    function _mapRoles() private {
        map(address(identities), IdentityRegistry.registerIdentity.selector, Roles.REGISTRAR);
        map(address(identities), IdentityRegistry.setClaim.selector, Roles.REGISTRAR);
        map(address(identities), IdentityRegistry.registerWallet.selector, Roles.REGISTRAR);
        map(address(identities), identities.trustIssuer.selector, Roles.REGISTRAR);
        map(address(identities), IdentityRegistry.setSanctioned.selector, Roles.FREEZER);
        map(address(identities), IdentityRegistry.removeWallet.selector, Roles.REGISTRAR);
        map(address(identities), IdentityRegistry.announceRecovery.selector, Roles.REGISTRAR);
        map(address(identities), IdentityRegistry.withdrawRecovery.selector, Roles.REGISTRAR);
        map(address(identities), IdentityRegistry.confirmRecovery.selector, Roles.ENFORCER);
        map(address(implementation), SecurityToken.issue.selector, Roles.ISSUER);
        map(address(implementation), SecurityToken.redeem.selector, Roles.ISSUER);
        map(address(implementation), SecurityToken.redeemMatured.selector, Roles.ISSUER);
        map(address(implementation), SecurityToken.setFrozenTokens.selector, Roles.FREEZER);
        map(address(implementation), SecurityToken.forcedTransfer.selector, Roles.ENFORCER);
        map(address(implementation), SecurityToken.forcedTransferEndingHolds.selector, Roles.ENFORCER);
        map(address(implementation), SecurityToken.deliver.selector, Roles.CUSTODIAN);
        map(address(assets), AssetRegistry.setInDefault.selector, Roles.DEFAULTS);
        map(address(assets), AssetRegistry.setTokenRules.selector, Roles.LIMITS);
        map(address(assets), AssetRegistry.setDenomination.selector, Roles.ISSUER);
        map(address(assets), AssetRegistry.setPaused.selector, Roles.FREEZER);
        map(address(assets), AssetRegistry.register.selector, Roles.FACTORY);
        map(address(compliance), compliance.setTradeLimit.selector, Roles.LIMITS);
        map(address(compliance), compliance.setVolumeLimit.selector, Roles.LIMITS);
        map(address(compliance), compliance.setHoldingCap.selector, Roles.LIMITS);
        map(address(compliance), compliance.setOwnLimits.selector, Roles.LIMITS);
        map(address(compliance), compliance.setCountries.selector, Roles.LIMITS);
        map(address(compliance), compliance.stop.selector, Roles.GUARDIAN);
        map(address(compliance), compliance.resume.selector, Roles.GUARDIAN);
        map(address(factory), AssetFactory.create.selector, Roles.ISSUER);
        map(address(usd), CashToken.issue.selector, Roles.CASH_ISSUER);
        map(address(usd), CashToken.redeem.selector, Roles.CASH_ISSUER);
    }

    function map(address target, bytes4 selector, uint64 role) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
    }
}
