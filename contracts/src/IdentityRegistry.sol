// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Claims, KYC_TOPIC} from "./identity/Claims.sol";
import {IIdentityRegistry, ONLY_WALLET, SANCTIONED, VALID_CLAIM} from "./interfaces/IIdentityRegistry.sol";

/// @title IdentityRegistry
/// @notice Who is behind a wallet, in which country, until when a claim about him holds, and whether he is sanctioned.
/// @dev An identity stands on the registrar's own claim, which is in its word, or on a KYC claim of an issuer that is
/// trusted with it. The registrar's revocation ends both: issuers' claims of before count no longer.
contract IdentityRegistry is IIdentityRegistry, Claims {
    /// @notice An identity was added.
    event IdentityRegistered(bytes32 indexed identity, uint16 country, uint64 claimExpiry);

    /// @notice An identity's claim now holds until `expiry`, inclusive (0: revoked).
    event ClaimSet(bytes32 indexed identity, uint64 expiry);

    /// @notice An identity was put on the sanctions list, or taken off it.
    event SanctionSet(bytes32 indexed identity, bool sanctioned);

    /// @notice A wallet was bound to an identity.
    event WalletRegistered(address indexed wallet, bytes32 indexed identity);

    /// @notice A wallet was unbound.
    event WalletRemoved(address indexed wallet, bytes32 indexed identity);

    /// @notice `wallet` is said to be lost; from `from` on `successor` can take its place.
    event RecoveryAnnounced(address indexed wallet, address indexed successor, uint64 from);

    /// @notice The wallet said itself that it is not lost, or the registrar took it back.
    event RecoveryWithdrawn(address indexed wallet, address indexed by);

    /// @notice `successor` stands for `wallet` from now on: its owner lost the key.
    event WalletRecovered(address indexed wallet, address indexed successor, bytes32 indexed identity);

    error InvalidIdentity(bytes32 identity);
    error InvalidWallet(address wallet);
    error IdentityAlreadyRegistered(bytes32 identity);
    error UnknownIdentity(bytes32 identity);
    error WalletAlreadyRegistered(address wallet, bytes32 identity);
    error UnknownWallet(address wallet);
    error TooManyWallets(bytes32 identity, uint256 most);
    error WalletWasRecovered(address wallet, address successor);
    error WalletOfAnotherIdentity(address wallet, bytes32 identity);
    error IdentitySanctioned(bytes32 identity);
    error RecoveryNotAnnounced(address wallet);
    error RecoveryTooEarly(address wallet, uint64 from);

    /// @notice Most wallets of an identity: what is summed over them has a bound.
    uint256 public constant MAX_WALLETS = 16;

    /// @notice Seconds in which a wallet that was said to be lost can say that it is not.
    uint64 public constant RECOVERY_DELAY = 1 days;

    /// @notice A recovery that was announced, from when it can be confirmed (0: none), and whose wallet it is of.
    struct Recovery {
        address successor;
        uint64 from;
        bytes32 identity;
    }

    /// @dev One word an identity, since every transfer reads two, from the low end: the country 16 bits, `ONLY_WALLET`,
    /// `SANCTIONED`, a bit that is always set, a bit if issuers' claims are to be asked, and above 64 bits the expiry
    /// of the registrar's claim and the time of its last revocation, 64 bits each.
    mapping(bytes32 identity => uint256) private _identities;
    mapping(address wallet => bytes32) private _identityOf;
    mapping(bytes32 identity => address[]) private _walletsOf;
    mapping(address wallet => Recovery) private _recoveries;
    mapping(address wallet => address) private _successors;

    uint256 private constant EXISTS = 1 << 32;
    uint256 private constant ATTESTED = 1 << 33;

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

    /// @notice Renews, shortens or (0) revokes an identity's claim; revoked, what issuers said before counts no longer.
    function setClaim(bytes32 identity, uint64 expiry) external restricted {
        uint256 word = _known(identity);
        uint256 revokedAt = uint64(word >> 128);
        if (expiry == 0) (word, revokedAt) = (word & ~ATTESTED, block.timestamp);
        _identities[identity] = uint64(word) | (uint256(expiry) << 64) | (revokedAt << 128);
        emit ClaimSet(identity, expiry);
    }

    /// @notice Puts identities on the sanctions list, or takes them off it: what they have neither moves nor pays.
    function setSanctioned(bytes32[] calldata identities, bool sanctioned) external restricted {
        for (uint256 i = 0; i < identities.length; ++i) {
            uint256 word = _known(identities[i]) & ~SANCTIONED;
            _identities[identities[i]] = sanctioned ? word | SANCTIONED : word;
            emit SanctionSet(identities[i], sanctioned);
        }
    }

    /// @notice Binds a wallet to an identity, which may have several; a wallet has one.
    function registerWallet(address wallet, bytes32 identity) external restricted {
        _bind(wallet, identity);
    }

    /// @notice Unbinds a wallet; not from a sanctioned identity, whose it would be no longer.
    function removeWallet(address wallet) external restricted {
        bytes32 identity = _identityOf[wallet];
        if (_identities[identity] & SANCTIONED != 0) revert IdentitySanctioned(identity);
        _unbind(wallet, identity);
    }

    // --- a lost key ---------------------------------------------------------------------------------------------

    /// @notice Says that the key of `wallet` is lost and `successor`, of the same identity or new, shall stand for it.
    /// @dev The registrar's. What the wallet has moves only once the enforcer confirms, after the delay: two roles and
    /// a silent wallet, for whoever names a successor alone could take everything.
    function announceRecovery(address wallet, address successor) external restricted {
        bytes32 identity = _identityOf[wallet];
        if (identity == 0) revert UnknownWallet(wallet);
        _requireSuccessor(wallet, successor, identity);
        uint64 from = uint64(block.timestamp) + RECOVERY_DELAY;
        _recoveries[wallet] = Recovery(successor, from, identity);
        emit RecoveryAnnounced(wallet, successor, from);
    }

    /// @notice The caller's wallet is not lost.
    function contestRecovery() external {
        _withdraw(msg.sender);
    }

    /// @notice Takes an announcement back.
    function withdrawRecovery(address wallet) external restricted {
        _withdraw(wallet);
    }

    /// @notice Puts the successor in the wallet's place; the enforcer's. Tokens and products follow it from then on.
    function confirmRecovery(address wallet) external restricted {
        Recovery memory due = _recoveries[wallet];
        if (due.from == 0) revert RecoveryNotAnnounced(wallet);
        if (block.timestamp < due.from) revert RecoveryTooEarly(wallet, due.from);
        delete _recoveries[wallet];
        bytes32 identity = _identityOf[wallet];
        _unbind(wallet, identity);
        if (identity != due.identity) revert WalletOfAnotherIdentity(wallet, identity);
        _requireSuccessor(wallet, due.successor, identity);
        if (_identityOf[due.successor] == 0) _bind(due.successor, identity);
        _successors[wallet] = due.successor;
        emit WalletRecovered(wallet, due.successor, identity);
    }

    /// @notice What was announced of a wallet (zero: nothing).
    function recoveryOf(address wallet) external view returns (Recovery memory) {
        return _recoveries[wallet];
    }

    /// @inheritdoc IIdentityRegistry
    /// @dev Ends: a recovered wallet is never bound again, so it is nobody's successor.
    function currentWallet(address wallet) public view returns (address current) {
        current = wallet;
        while (_successors[current] != address(0)) current = _successors[current];
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @inheritdoc IIdentityRegistry
    function identityOf(address wallet) external view returns (bytes32) {
        return _identityOf[wallet];
    }

    /// @inheritdoc IIdentityRegistry
    function claimExpiry(bytes32 identity) external view returns (uint64 expiry) {
        uint256 word = _identities[identity];
        expiry = uint64(word >> 64);
        if (word & ATTESTED == 0) return expiry;
        uint64 attested = _attested(identity, word);
        if (attested > expiry) expiry = attested;
    }

    /// @inheritdoc IIdentityRegistry
    function isSanctioned(bytes32 identity) external view returns (bool) {
        return _identities[identity] & SANCTIONED != 0;
    }

    /// @inheritdoc IIdentityRegistry
    function isWalletSanctioned(address wallet) external view returns (bool) {
        return _identities[_identityOf[wallet]] & SANCTIONED != 0;
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

    function _bind(address wallet, bytes32 identity) private {
        if (wallet == address(0)) revert InvalidWallet(wallet);
        _known(identity);
        if (_identityOf[wallet] != 0) revert WalletAlreadyRegistered(wallet, _identityOf[wallet]);
        if (_successors[wallet] != address(0)) revert WalletWasRecovered(wallet, _successors[wallet]);
        if (_walletsOf[identity].length == MAX_WALLETS) revert TooManyWallets(identity, MAX_WALLETS);
        _identityOf[wallet] = identity;
        _walletsOf[identity].push(wallet);
        _countWallets(identity);
        emit WalletRegistered(wallet, identity);
    }

    function _unbind(address wallet, bytes32 identity) private {
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

    function _withdraw(address wallet) private {
        if (_recoveries[wallet].from == 0) revert RecoveryNotAnnounced(wallet);
        delete _recoveries[wallet];
        emit RecoveryWithdrawn(wallet, msg.sender);
    }

    function _requireSuccessor(address wallet, address successor, bytes32 identity) private view {
        if (successor == address(0) || successor == wallet) revert InvalidWallet(successor);
        bytes32 bound = _identityOf[successor];
        if (bound != 0 && bound != identity) revert WalletOfAnotherIdentity(successor, bound);
        if (_successors[successor] != address(0)) revert WalletWasRecovered(successor, _successors[successor]);
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
        standing = word & (type(uint16).max | ONLY_WALLET | SANCTIONED);
        if (word & SANCTIONED != 0) return (identity, standing);
        if (block.timestamp <= uint64(word >> 64)) standing |= VALID_CLAIM;
        else if (word & ATTESTED != 0 && _attested(identity, word) != 0) standing |= VALID_CLAIM;
    }

    /// @dev A KYC claim is of the registered country, and from now on issuers are asked about this identity.
    function _claimed(bytes32 identity, uint8 topic, uint16 country_) internal override {
        uint256 word = _known(identity);
        if (topic != KYC_TOPIC) return;
        if (country_ != 0 && country_ != uint16(word)) revert ClaimOfAnotherCountry(identity, country_, uint16(word));
        _identities[identity] = word | ATTESTED;
    }

    /// @dev Until when an issuer's KYC claim of after the registrar's last revocation holds; 0 if none does.
    function _attested(bytes32 identity, uint256 word) private view returns (uint64) {
        return _latest(identity, KYC_TOPIC, type(uint256).max, 0, uint64(word >> 128));
    }

    function _known(bytes32 identity) private view returns (uint256 word) {
        word = _identities[identity];
        if (word == 0) revert UnknownIdentity(identity);
    }
}
