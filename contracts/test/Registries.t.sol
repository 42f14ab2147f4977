// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Limits} from "src/compliance/Limits.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {AssetFactory} from "src/AssetFactory.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {CashToken} from "src/CashToken.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {ISettlementAsset} from "src/interfaces/ISettlementAsset.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice Names no asset, or the asset of another.
contract Impostor {
    bytes32 public assetId;

    constructor(bytes32 assetId_) {
        assetId = assetId_;
    }

    function become(bytes32 assetId_) external {
        assetId = assetId_;
    }
}

/// @notice Identities, assets, rules, factory and cash: what they keep, and who may write.
contract RegistriesTest is Ledger {
    function test_an_identity_stays_one_without_country_and_claim() public {
        vm.prank(registrar);
        identities.registerIdentity("dan", 0, 7);
        setClaim("dan", 0);
        setClaim("dan", 9);
        assertEq(identities.claimExpiry("dan"), 9, "renewed");
    }

    function test_identities() public {
        vm.expectEmit(address(identities));
        emit IdentityRegistry.IdentityRegistered("dealer", 826, 99);
        vm.prank(registrar);
        identities.registerIdentity("dealer", 826, 99);
        assertEq(identities.country("dealer"), 826, "country");
        assertEq(identities.claimExpiry("dealer"), 99, "expiry");
        vm.expectEmit(address(identities));
        emit IdentityRegistry.ClaimSet("dealer", START);
        setClaim("dealer", START);
        address[2] memory wallets = [address(0xD1), address(0xD2)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(identities));
            emit IdentityRegistry.WalletRegistered(wallets[i], "dealer");
            vm.prank(registrar);
            identities.registerWallet(wallets[i], "dealer");
            assertEq(identities.identityOf(wallets[i]), "dealer", "several wallets");
            assertTrue(identities.isVerified(wallets[i]), "verified through the last second");
        }
        vm.warp(START + 1);
        assertFalse(identities.isVerified(wallets[0]), "expired");
        vm.expectEmit(address(identities));
        emit IdentityRegistry.WalletRemoved(wallets[0], "dealer");
        vm.prank(registrar);
        identities.removeWallet(wallets[0]);
        assertEq(identities.identityOf(wallets[0]), 0, "removed");
    }

    function test_identities_refuse() public {
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.registerIdentity, ("alice", 1, 1)),
            abi.encodeWithSelector(IdentityRegistry.IdentityAlreadyRegistered.selector, bytes32("alice"))
        );
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.registerIdentity, (0, 1, 1)),
            abi.encodeWithSelector(IdentityRegistry.InvalidIdentity.selector, bytes32(0))
        );
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.setClaim, ("nobody", 1)),
            abi.encodeWithSelector(IdentityRegistry.UnknownIdentity.selector, bytes32("nobody"))
        );
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.registerWallet, (stranger, "nobody")),
            abi.encodeWithSelector(IdentityRegistry.UnknownIdentity.selector, bytes32("nobody"))
        );
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.registerWallet, (alice, "bob")),
            abi.encodeWithSelector(IdentityRegistry.WalletAlreadyRegistered.selector, alice, bytes32("alice"))
        );
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.registerWallet, (address(0), "bob")),
            abi.encodeWithSelector(IdentityRegistry.InvalidWallet.selector, address(0))
        );
        _refused(
            registrar,
            address(identities),
            abi.encodeCall(identities.removeWallet, (stranger)),
            abi.encodeWithSelector(IdentityRegistry.UnknownWallet.selector, stranger)
        );
    }

    function test_assets() public {
        assertEq(assets.tokenOf(CUSIP), address(note), "by id");
        assertEq(assets.assetIdOf(address(note)), CUSIP, "by token");
        assertTrue(assets.isRegistered(address(usd)) && assets.isRegistered(address(note)), "registered");
        assertFalse(assets.isRegistered(address(implementation)), "not the implementation");
        address impostor = address(new Impostor(CUSIP));
        bytes memory taken = abi.encodeWithSelector(AssetRegistry.AssetAlreadyRegistered.selector, CUSIP, note);
        _refused(registrant, address(assets), abi.encodeCall(assets.register, (impostor)), taken);
        _refused(registrant, address(assets), abi.encodeCall(assets.register, (address(note))), taken);
        address nameless = address(new Impostor(0));
        _refused(
            registrant,
            address(assets),
            abi.encodeCall(assets.register, (nameless)),
            abi.encodeWithSelector(AssetRegistry.AssetIdMissing.selector, nameless)
        );
        _refused(
            registrant,
            address(assets),
            abi.encodeCall(assets.register, (stranger)),
            abi.encodeWithSelector(AssetRegistry.NotAToken.selector, stranger)
        );
    }

    /// @notice A token that later names another asset is still the one it was registered as, and registers once.
    function test_a_registered_token_cannot_change_its_name() public {
        Impostor token = new Impostor("X");
        vm.prank(registrant);
        assets.register(address(token));
        token.become("Y");
        assertEq(assets.assetIdOf(address(token)), "X", "as registered");
        _refused(
            registrant,
            address(assets),
            abi.encodeCall(assets.register, (address(token))),
            abi.encodeWithSelector(AssetRegistry.AssetAlreadyRegistered.selector, bytes32("X"), token)
        );
    }

    function test_factory() public {
        address predicted = factory.predict("912828ZZ0", TERMS, MATURITY);
        vm.expectEmit(address(factory));
        emit AssetFactory.SecurityCreated("912828ZZ0", predicted, TERMS, MATURITY);
        SecurityToken token = createSecurity("912828ZZ0");
        assertEq(address(token), predicted, "as predicted");
        assertEq(assets.tokenOf("912828ZZ0"), predicted, "registered");
        _refused(
            issuer,
            address(factory),
            abi.encodeCall(factory.create, ("912828ZZ0", TERMS, MATURITY)),
            abi.encodeWithSelector(Errors.FailedDeployment.selector)
        );
        _refused(
            issuer,
            address(factory),
            abi.encodeCall(factory.create, ("912828ZZ0", "other terms", MATURITY)),
            abi.encodeWithSelector(AssetRegistry.AssetAlreadyRegistered.selector, bytes32("912828ZZ0"), token)
        );
    }

    function test_compliance_names_the_binding_rule() public {
        _answers(alice, bob, type(uint256).max, RestrictionCodes.SUCCESS);
        _answers(stranger, bob, 0, RestrictionCodes.SENDER_UNKNOWN);
        _answers(stranger, stranger, 0, RestrictionCodes.SENDER_UNKNOWN);
        _answers(alice, stranger, 0, RestrictionCodes.RECIPIENT_UNKNOWN);
        vm.expectEmit(address(compliance));
        emit Limits.TradeLimitSet(50);
        setTradeLimit(50);
        _answers(alice, bob, 50, RestrictionCodes.TRADE_LIMIT);
        setClaim("bob", START - 1);
        _answers(alice, bob, 0, RestrictionCodes.RECIPIENT_CLAIM);
        setClaim("alice", 0);
        _answers(alice, bob, 0, RestrictionCodes.SENDER_CLAIM);
    }

    function test_cash() public {
        assertEq(usd.name(), "US Dollar", "name");
        assertEq(usd.symbol(), "USD", "symbol");
        assertEq(usd.decimals(), 6, "decimals");
        assertEq(usd.assetId(), "USD", "asset id");
        issueCash(usd, stranger, 10); // cash has no compliance rule
        vm.prank(stranger);
        usd.transfer(alice, 4);
        vm.prank(cashIssuer);
        usd.redeem(stranger, 6);
        assertEq(usd.totalSupply(), 4, "supply");
        _refused(
            alice,
            address(usd),
            abi.encodeCall(usd.settlementTransfer, (alice, bob, 1)),
            abi.encodeWithSelector(ISettlementAsset.NotSettlement.selector, alice)
        );
    }

    function test_restricted_functions_refuse_everyone_else() public {
        bytes[] memory calls = new bytes[](9);
        address[] memory targets = new address[](9);
        (targets[0], calls[0]) = (address(identities), abi.encodeCall(identities.registerIdentity, ("x", 1, 1)));
        (targets[1], calls[1]) = (address(identities), abi.encodeCall(identities.setClaim, ("alice", 1)));
        (targets[2], calls[2]) = (address(identities), abi.encodeCall(identities.registerWallet, (stranger, "bob")));
        (targets[3], calls[3]) = (address(identities), abi.encodeCall(identities.removeWallet, (alice)));
        (targets[4], calls[4]) = (address(assets), abi.encodeCall(assets.register, (address(note))));
        (targets[5], calls[5]) = (address(compliance), abi.encodeCall(compliance.setTradeLimit, (1)));
        (targets[6], calls[6]) = (address(factory), abi.encodeCall(factory.create, ("x", TERMS, 1)));
        (targets[7], calls[7]) = (address(usd), abi.encodeCall(usd.issue, (alice, 1)));
        (targets[8], calls[8]) = (address(usd), abi.encodeCall(usd.redeem, (alice, 1)));
        address[5] memory callers = [alice, freezer, enforcer, address(settlement), address(this)];
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 k = 0; k < callers.length; ++k) {
                bytes memory reason = abi.encodeWithSelector(
                    IAccessManaged.AccessManagedUnauthorized.selector,
                    callers[k]
                );
                _refused(callers[k], targets[i], calls[i], reason);
            }
        }
    }

    function _answers(address from, address to, uint256 expected, uint8 expectedCode) private view {
        (uint256 largest, uint8 code) = compliance.largestAmount(address(note), from, to);
        assertEq(largest, expected, "largest");
        assertEq(code, expectedCode, "code");
    }

    function _refused(address caller, address target, bytes memory data, bytes memory reason) private {
        vm.prank(caller);
        (bool success, bytes memory given) = target.call(data);
        assertFalse(success, "accepted");
        assertEq(given, reason, "reason");
    }
}
