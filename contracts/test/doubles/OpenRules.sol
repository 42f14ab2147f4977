// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Rules and authority that stop nobody, for what is shown of a contract's own arithmetic.
contract OpenRules {
    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }

    function permitted(address, address, address, uint256) external pure returns (uint256, uint8) {
        return (type(uint256).max, 0);
    }

    function transferring(address, address, uint256) external pure returns (uint256, uint8) {
        return (type(uint256).max, 0);
    }

    function delivering(address, address, uint256) external pure returns (uint256, uint8) {
        return (type(uint256).max, 0);
    }

    function issuing(address, uint256) external pure returns (uint256, uint8) {
        return (type(uint256).max, 0);
    }

    function isVerified(address) external pure returns (bool) {
        return true;
    }

    function moved(address, address, uint256) external {}

    function holding(address, address, uint256) external {}

    function unholding(address, address, uint256) external {}

    // a registry of wallets, and a security's life

    function identityOf(address wallet) external pure returns (bytes32) {
        return bytes32(uint256(uint160(wallet)));
    }

    function currentWallet(address wallet) external pure returns (address) {
        return wallet;
    }

    function endOf(address) external pure returns (uint64) {
        return type(uint64).max;
    }

    function datedCpiOf(address) external pure returns (uint64) {
        return 0;
    }

    function defaultOf(address) external pure returns (bytes32) {
        return 0;
    }

    function isSanctioned(bytes32) external pure returns (bool) {
        return false;
    }

    function isWalletSanctioned(address) external pure returns (bool) {
        return false;
    }

    function walletsOf(bytes32) external pure returns (address[] memory none) {}

    function assetRegistry() external view returns (address) {
        return address(this);
    }

    function isRegistered(address) external pure returns (bool) {
        return true;
    }
}
