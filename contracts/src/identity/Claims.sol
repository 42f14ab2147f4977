// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @dev Topic of the claim that an identity was identified and checked.
uint8 constant KYC_TOPIC = 1;

/// @title Claims
/// @notice What trusted issuers say of identities: by topic, with a class, a country and an expiry, each revocable.
/// @dev A claim counts while its issuer is trusted with its topic and its expiry has not passed. Claims are kept per
/// issuer, so no issuer can overwrite or revoke another's, and one that is no longer trusted counts for nothing at
/// once. At most `MAX_ISSUERS` a topic: what is asked of them has a bound.
abstract contract Claims is AccessManaged {
    /// @notice What an issuer said of an identity.
    /// @param expiry Last second at which it holds.
    /// @param issuedAt When it was said.
    /// @param country ISO 3166-1 numeric: whose law the claim is under (0: no one country's).
    /// @param class What kind the identity is of, under the topic.
    struct Claim {
        uint64 expiry;
        uint64 issuedAt;
        uint16 country;
        uint8 class;
    }

    /// @notice An issuer is trusted with these topics from now on, a bit each (0: with none).
    event IssuerTrusted(address indexed issuer, uint256 topics);

    /// @notice An issuer made a claim, in place of the one it had made before, if any.
    event ClaimIssued(
        bytes32 indexed identity,
        uint8 indexed topic,
        address indexed issuer,
        uint8 class,
        uint16 country,
        uint64 expiry
    );

    /// @notice An issuer took its claim back.
    event ClaimRevoked(bytes32 indexed identity, uint8 indexed topic, address indexed issuer);

    error InvalidIssuer(address issuer);
    error TooManyIssuers(uint8 topic, uint256 most);
    error IssuerNotTrusted(address issuer, uint8 topic);
    error ClaimExpiryPassed(bytes32 identity, uint64 expiry);
    error ClaimOfAnotherCountry(bytes32 identity, uint16 country, uint16 registered);
    error ClaimNotFound(bytes32 identity, uint8 topic, address issuer);

    /// @notice Most issuers that are trusted with one topic.
    uint256 public constant MAX_ISSUERS = 8;

    mapping(address issuer => uint256 topics) private _topicsOf;
    mapping(uint8 topic => address[]) private _issuersOf;
    mapping(bytes32 identity => mapping(uint8 topic => mapping(address issuer => Claim))) private _claims;

    /// @notice Sets the topics that an issuer is trusted with, a bit each; what it says of others no longer counts.
    function trustIssuer(address issuer, uint256 topics) external restricted {
        if (issuer == address(0)) revert InvalidIssuer(issuer);
        uint256 changed = topics ^ _topicsOf[issuer];
        _topicsOf[issuer] = topics;
        for (uint256 topic = 0; changed != 0; ++topic) {
            if (changed & 1 != 0) _list(uint8(topic), issuer, topics & (1 << topic) != 0);
            changed >>= 1;
        }
        emit IssuerTrusted(issuer, topics);
    }

    /// @notice Makes a claim about an identity; the caller is its issuer, and trusted with the topic.
    /// @param country ISO 3166-1 numeric, or 0; of a KYC claim the identity's own, or 0.
    function issueClaim(bytes32 identity, uint8 topic, uint8 class, uint16 country, uint64 expiry) external {
        if (_topicsOf[msg.sender] & (1 << topic) == 0) revert IssuerNotTrusted(msg.sender, topic);
        if (block.timestamp > expiry) revert ClaimExpiryPassed(identity, expiry);
        _claims[identity][topic][msg.sender] = Claim(expiry, uint64(block.timestamp), country, class);
        emit ClaimIssued(identity, topic, msg.sender, class, country, expiry);
        _claimed(identity, topic, country);
    }

    /// @notice Takes the caller's claim back, whether it is still trusted or not.
    function revokeClaim(bytes32 identity, uint8 topic) external {
        if (_claims[identity][topic][msg.sender].expiry == 0) revert ClaimNotFound(identity, topic, msg.sender);
        delete _claims[identity][topic][msg.sender];
        emit ClaimRevoked(identity, topic, msg.sender);
    }

    /// @notice What an issuer said of an identity last; all zero if nothing, or if it took it back.
    function claimOf(bytes32 identity, uint8 topic, address issuer) external view returns (Claim memory) {
        return _claims[identity][topic][issuer];
    }

    /// @notice Who is trusted with a topic.
    function issuersOf(uint8 topic) external view returns (address[] memory) {
        return _issuersOf[topic];
    }

    /// @notice The topics that an issuer is trusted with, a bit each.
    function topicsOf(address issuer) external view returns (uint256) {
        return _topicsOf[issuer];
    }

    /// @notice Last second at which some trusted issuer's claim of the topic holds, of one of `classes` (a bit each)
    /// and, unless 0, of `country`; 0 if none does now.
    function claimHolds(
        bytes32 identity,
        uint8 topic,
        uint256 classes,
        uint16 country
    ) external view returns (uint64) {
        return _latest(identity, topic, classes, country, 0);
    }

    /// @dev The same, of claims that were made after `since`.
    function _latest(
        bytes32 identity,
        uint8 topic,
        uint256 classes,
        uint16 country,
        uint64 since
    ) internal view returns (uint64 expiry) {
        address[] storage issuers = _issuersOf[topic];
        for (uint256 i = 0; i < issuers.length; ++i) {
            Claim memory claim = _claims[identity][topic][issuers[i]];
            if (claim.expiry <= expiry || block.timestamp > claim.expiry) continue;
            if (since != 0 && claim.issuedAt <= since) continue;
            if (classes & (1 << claim.class) == 0 || (country != 0 && claim.country != country)) continue;
            expiry = claim.expiry;
        }
    }

    /// @dev An issuer has made a claim: refuses one that cannot be.
    function _claimed(bytes32 identity, uint8 topic, uint16 country) internal virtual;

    function _list(uint8 topic, address issuer, bool trusted) private {
        address[] storage issuers = _issuersOf[topic];
        if (trusted) {
            if (issuers.length == MAX_ISSUERS) revert TooManyIssuers(topic, MAX_ISSUERS);
            issuers.push(issuer);
            return;
        }
        uint256 place = 0;
        while (issuers[place] != issuer) ++place;
        issuers[place] = issuers[issuers.length - 1];
        issuers.pop();
    }
}
