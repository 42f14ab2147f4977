// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {CashFactory} from "src/CashFactory.sol";
import {CashToken} from "src/CashToken.sol";
import {Roles} from "src/Roles.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Desk} from "./base/Desk.sol";

/// @notice The bank makes currencies, under currency codes only, and they settle like any asset.
contract CashFactoryTest is Desk {
    CashFactory internal currencies;

    function setUp() public override {
        super.setUp();
        currencies = new CashFactory(address(manager), assets, usd);
        map(address(currencies), CashFactory.create.selector, Roles.CASH_ISSUER);
        manager.grantRole(Roles.FACTORY, address(currencies), 0);
    }

    function make(bytes32 code, uint8 decimals) internal returns (CashToken token) {
        vm.prank(cashIssuer);
        token = CashToken(currencies.create(code, "a currency", decimals));
    }

    /// @dev A code is three capital letters and nothing else, whatever the other 29 bytes are.
    function testFuzz_only_codes(bytes32 code) public {
        bool good = uint256(code) << 24 == 0;
        for (uint256 i = 0; i < 3; ++i) good = good && uint8(code[i]) >= 65 && uint8(code[i]) <= 90;
        vm.assume(!good);
        vm.prank(cashIssuer);
        vm.expectRevert(abi.encodeWithSelector(CashFactory.InvalidCurrency.selector, code));
        currencies.create(code, "a currency", 6);
    }

    function testFuzz_any_code_once(uint24 seed, uint8 decimals) public {
        uint256 letters;
        for (uint256 i = 0; i < 3; ++i) letters = letters << 8 | (65 + (seed >> 8 * i) % 26);
        bytes32 code = bytes32(letters << 232);
        vm.assume(code != "USD" && code != "EUR");
        decimals %= 19;
        address expected = currencies.predict(code, "a currency", decimals);
        vm.expectEmit(address(currencies));
        emit CashFactory.CurrencyCreated(code, expected, "a currency", decimals);
        CashToken token = make(code, decimals);
        assertEq(address(token), expected, "predicted");
        assertEq(assets.assetIdOf(address(token)), code, "registered");
        assertEq(token.decimals(), decimals, "decimals");
        vm.prank(cashIssuer);
        vm.expectPartialRevert(AssetRegistry.AssetAlreadyRegistered.selector);
        currencies.create(code, "another", decimals);
    }

    function test_bounds() public {
        assertEq(make("XET", 18).decimals(), 18, "the most");
        vm.prank(cashIssuer);
        vm.expectRevert(abi.encodeWithSelector(CashFactory.TooManyDecimals.selector, 19, 18));
        currencies.create("JPY", "yen", 19);
        vm.prank(cashIssuer);
        vm.expectRevert(abi.encodeWithSelector(CashFactory.InvalidCurrencyName.selector, ""));
        currencies.create("JPY", "", 0);
        vm.prank(cashIssuer);
        vm.expectPartialRevert(CashFactory.InvalidCurrencyName.selector);
        currencies.create("JPY", "a name that is of thirty-two bytes", 0);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        currencies.create("JPY", "yen", 0);
    }

    /// @dev Payment versus payment, in units of each.
    function test_pvp() public {
        CashToken yen = make("JPY", 0);
        issueCash(yen, alice, 15_000);
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(yen), alice, bob, 15_000);
        legs[1] = Leg(address(usd), bob, alice, 100);
        Instruction memory made = Instruction(legs, START, START + 60, 1, 0, 0);
        settlement.settle(made, signed(made));
        assertEq(yen.balanceOf(bob), 15_000, "yen");
        assertEq(usd.balanceOf(alice), 100, "dollars");
    }
}
