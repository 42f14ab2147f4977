// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IIdentityRegistry, ONLY_WALLET, VALID_CLAIM} from "./interfaces/IIdentityRegistry.sol";

/// @title IdentityRegistry
/// @notice Who is behind a wallet, in which country, and until when the registrar's claim about him holds.
contract IdentityRegistry is IIdentityRegistry, AccessManaged {
    /// @notice An identity was added.
    event IdentityRegistered(bytes32 indexed identity, uint16 country, uint64 claimExpiry);

    /// @notice An identity's claim now holds until `expiry`, inclusive (0: revoked).
    event ClaimSet(bytes32 indexed identity, uint64 expiry);

    /// @notice A wallet was bound to an identity.
    event WalletRegistered(address indexed wallet, bytes32 indexed identity);

    /// @notice A wallet was unbound.
    event WalletRemoved(address indexed wallet, bytes32 indexed identity);

    error InvalidIdentity(bytes32 identity);
    error InvalidWallet(address wallet);
    error IdentityAlreadyRegistered(bytes32 identity);
    error UnknownIdentity(bytes32 identity);
    error WalletAlreadyRegistered(address wallet, bytes32 identity);
    error UnknownWallet(address wallet);
    error TooManyWallets(bytes32 identity, uint256 most);

    /// @notice Most wallets of an identity: what is summed over them has a bound.
    uint256 public constant MAX_WALLETS = 16;

    /// @dev One word an identity, since every transfer reads two: the country in the low 16 bits, `ONLY_WALLET`, a bit
    /// that is always set, and the claim's expiry above 64 bits.
    mapping(bytes32 identity => uint256) private _identities;
    mapping(address wallet => bytes32) private _identityOf;
    mapping(bytes32 identity => address[]) private _walletsOf;

    uint256 private constant EXISTS = 1 << 32;

    constructor(address authority_) AccessManaged(authority_) {}

    /// @notice Adds an identity.
    /// @param identity Party name, ASCII, padded right with zeros.
    /// @param country_ ISO 3166-1 numeric.
    /// @param claimExpiry_ Last second at which the claim holds; 0 for none yet.
    function registerIdentity(bytes32 identity, uint16 country_, uint64 claimExpiry_) external restricted {
        if (identity == 0) revert InvalidIdentity(identity);
        if (_identities[identity] != 0) revert IdentityAlreadyRegistered(identity);
        _identities[identity] = EXISTS | country_ | (uint256(claimExpiry_) << 64);
        emit IdentityRegistered(identity, country_, claimExpiry_);
    }

    /// @notice Renews, shortens or (0) revokes an identity's claim.
    function setClaim(bytes32 identity, uint64 expiry) external restricted {
        if (_identities[identity] == 0) revert UnknownIdentity(identity);
        _identities[identity] = uint64(_identities[identity]) | (uint256(expiry) << 64);
        emit ClaimSet(identity, expiry);
    }

    /// @notice Binds a wallet to an identity, which may have several; a wallet has one.
    function registerWallet(address wallet, bytes32 identity) external restricted {
        if (wallet == address(0)) revert InvalidWallet(wallet);
        if (_identities[identity] == 0) revert UnknownIdentity(identity);
        if (_identityOf[wallet] != 0) revert WalletAlreadyRegistered(wallet, _identityOf[wallet]);
        if (_walletsOf[identity].length == MAX_WALLETS) revert TooManyWallets(identity, MAX_WALLETS);
        _identityOf[wallet] = identity;
        _walletsOf[identity].push(wallet);
        _countWallets(identity);
        emit WalletRegistered(wallet, identity);
    }

    /// @notice Unbinds a wallet.
    function removeWallet(address wallet) external restricted {
        bytes32 identity = _identityOf[wallet];
        if (identity == 0) revert UnknownWallet(wallet);
        delete _identityOf[wallet];
        address[] storage wallets = _walletsOf[identity];
        for (uint256 i = 0; i < wallets.length; ++i) {
            if (wallets[i] == wallet) {
                wallets[i] = wallets[wallets.length - 1];
                wallets.pop();
                break;
            }
        }
        _countWallets(identity);
        emit WalletRemoved(wallet, identity);
    }

    /// @inheritdoc IIdentityRegistry
    function identityOf(address wallet) external view returns (bytes32) {
        return _identityOf[wallet];
    }

    /// @inheritdoc IIdentityRegistry
    function claimExpiry(bytes32 identity) external view returns (uint64) {
        return uint64(_identities[identity] >> 64);
    }

    /// @inheritdoc IIdentityRegistry
    function country(bytes32 identity) external view returns (uint16) {
        return uint16(_identities[identity]);
    }

    /// @inheritdoc IIdentityRegistry
    function isVerified(address wallet) external view returns (bool) {
        (, uint256 standing) = _standingOf(wallet);
        return standing & VALID_CLAIM != 0;
    }

    /// @inheritdoc IIdentityRegistry
    function walletsOf(bytes32 identity) external view returns (address[] memory) {
        return _walletsOf[identity];
    }

    /// @inheritdoc IIdentityRegistry
    function standingOf(address wallet) external view returns (bytes32 identity, uint256 standing) {
        return _standingOf(wallet);
    }

    /// @inheritdoc IIdentityRegistry
    function standingsOf(
        address first,
        address second
    )
        external
        view
        returns (bytes32 firstIdentity, uint256 firstStanding, bytes32 secondIdentity, uint256 secondStanding)
    {
        (firstIdentity, firstStanding) = _standingOf(first);
        (secondIdentity, secondStanding) = _standingOf(second);
    }

    /// @dev Most identities have one wallet: then what counts against a limit need not be summed over a list.
    function _countWallets(bytes32 identity) private {
        uint256 word = _identities[identity] & ~ONLY_WALLET;
        _identities[identity] = _walletsOf[identity].length == 1 ? word | ONLY_WALLET : word;
    }

    function _standingOf(address wallet) private view returns (bytes32 identity, uint256 standing) {
        identity = _identityOf[wallet];
        if (identity == 0) return (0, 0);
        uint256 word = _identities[identity];
        standing = word & (type(uint16).max | ONLY_WALLET);
        if (block.timestamp <= word >> 64) standing |= VALID_CLAIM;
    }
}
