// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {CashToken} from "./CashToken.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";

/// @title CashFactory
/// @notice Makes the one token of a currency and registers it. Only a currency code can be taken, never a CUSIP.
contract CashFactory is AccessManaged {
    /// @notice A currency was created.
    event CurrencyCreated(bytes32 indexed currency, address indexed token, string name, uint8 decimals);

    /// @notice Not three capital letters.
    error InvalidCurrency(bytes32 currency);

    /// @notice A name is 1 to 31 bytes: it is also the Permit domain.
    error InvalidCurrencyName(string name);

    /// @notice More decimals than amounts have room for.
    error TooManyDecimals(uint8 decimals, uint8 most);

    /// @notice Most decimals of a currency.
    uint8 public constant MAX_DECIMALS = 18;

    /// @notice Where new currencies are registered.
    IAssetRegistry public immutable registry;

    /// @notice The currency that others are like: where they settle, what stops them, where the map of roles stands.
    CashToken public immutable model;

    constructor(address authority_, IAssetRegistry registry_, CashToken model_) AccessManaged(authority_) {
        (registry, model) = (registry_, model_);
    }

    /// @notice Creates and registers a currency.
    /// @param currency ISO 4217 code, ASCII, padded right with zeros.
    /// @param name Such as "euro".
    /// @param decimals One unit is 10^-decimals of the currency.
    function create(
        bytes32 currency,
        string calldata name,
        uint8 decimals
    ) external restricted returns (address token) {
        if (!_isCode(currency)) revert InvalidCurrency(currency);
        if (bytes(name).length == 0 || bytes(name).length > 31) revert InvalidCurrencyName(name);
        if (decimals > MAX_DECIMALS) revert TooManyDecimals(decimals, MAX_DECIMALS);
        token = address(
            new CashToken{salt: currency}(
                authority(),
                model.settlement(),
                model.emergencyStop(),
                address(model),
                currency,
                name,
                decimals
            )
        );
        emit CurrencyCreated(currency, token, name, decimals);
        registry.register(token);
    }

    /// @notice Address `create` gives, or gave.
    function predict(bytes32 currency, string calldata name, uint8 decimals) external view returns (address) {
        bytes memory arguments = abi.encode(
            authority(),
            model.settlement(),
            model.emergencyStop(),
            model,
            currency,
            name,
            decimals
        );
        return Create2.computeAddress(currency, keccak256(bytes.concat(type(CashToken).creationCode, arguments)));
    }

    /// @dev Three bytes "A" to "Z" and nothing behind them.
    function _isCode(bytes32 currency) private pure returns (bool) {
        if (uint256(currency) << 24 != 0) return false;
        for (uint256 i = 0; i < 3; ++i) {
            if (currency[i] < "A" || currency[i] > "Z") return false;
        }
        return true;
    }
}
