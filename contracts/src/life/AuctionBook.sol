// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";

/// @title AuctionBook
/// @notice The record of primary auctions: what was announced, which bids were sealed in time, and what came of it.
/// @dev Bids are sealed as keccak256(digest of the bid, its signature), each by its bidder's wallet: whoever copies a
/// seal has sealed nothing of another's. They are opened after the close; the allocation is an
/// algorithm on the opened bids that anyone can run again. `resultHash` covers announcement, bids and awards; awards
/// settle through Issuance by instructions whose contextHash it is, so it stands in every `Settled` of the auction.
contract AuctionBook is AccessManaged {
    struct Auction {
        bytes32 cusip;
        bytes32 announcementHash;
        uint64 noncompetitiveClose;
        uint64 competitiveClose;
        uint32 sealedBids;
        bytes32 resultHash;
    }

    struct Seal {
        bool isSealed;
        bool competitive;
    }

    event AuctionAnnounced(
        bytes32 indexed auctionId,
        bytes32 indexed cusip,
        bytes32 announcementHash,
        uint64 noncompetitiveClose,
        uint64 competitiveClose
    );
    event BidSealed(bytes32 indexed auctionId, address indexed bidder, bytes32 commitment, bool competitive);
    event BidWithdrawn(bytes32 indexed auctionId, address indexed bidder, bytes32 commitment);
    event AuctionClosed(bytes32 indexed auctionId, bytes32 resultHash, uint256 sealedBids);

    error AuctionAlreadyAnnounced(bytes32 auctionId);
    error InvalidAnnouncement(bytes32 auctionId);
    error AuctionUnknown(bytes32 auctionId);
    error BiddingClosed(bytes32 auctionId, uint64 close);
    error BiddingOpen(bytes32 auctionId, uint64 close);
    error AuctionAlreadyClosed(bytes32 auctionId, bytes32 resultHash);
    error BidAlreadySealed(address bidder, bytes32 commitment);
    error BidNotSealed(address bidder, bytes32 commitment);
    error TooManyBids(address bidder, uint256 most);
    error WalletNotRegistered(address wallet);
    error ResultWithoutHash(bytes32 auctionId);

    /// @notice Sealed bids of one wallet in one auction.
    uint256 public constant MOST_BIDS = 64;

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    mapping(bytes32 auctionId => Auction) private _auctions;
    mapping(bytes32 auctionId => mapping(address bidder => mapping(bytes32 commitment => Seal))) private _seals;
    mapping(bytes32 auctionId => mapping(address bidder => uint256)) private _bidsOf;

    constructor(address authority_, IIdentityRegistry identityRegistry_) AccessManaged(authority_) {
        identityRegistry = identityRegistry_;
    }

    /// @notice Announces an auction, once; its id is the hash of CUSIP and announcement.
    /// @param announcementHash Keccak-256 of the canonical JSON of the announcement.
    function announce(
        bytes32 cusip,
        bytes32 announcementHash,
        uint64 noncompetitiveClose,
        uint64 competitiveClose
    ) external restricted returns (bytes32 auctionId) {
        auctionId = auctionIdOf(cusip, announcementHash);
        if (_auctions[auctionId].competitiveClose != 0) revert AuctionAlreadyAnnounced(auctionId);
        bool sound = cusip != 0 && announcementHash != 0 && noncompetitiveClose > block.timestamp;
        if (!sound || competitiveClose < noncompetitiveClose) revert InvalidAnnouncement(auctionId);
        _auctions[auctionId] = Auction(cusip, announcementHash, noncompetitiveClose, competitiveClose, 0, 0);
        emit AuctionAnnounced(auctionId, cusip, announcementHash, noncompetitiveClose, competitiveClose);
    }

    /// @notice Name of an auction.
    function auctionIdOf(bytes32 cusip, bytes32 announcementHash) public pure returns (bytes32) {
        return keccak256(abi.encode(cusip, announcementHash));
    }

    /// @notice Seals a bid of the caller's, a registered wallet; competitive ones may come later.
    function seal(bytes32 auctionId, bytes32 commitment, bool competitive) external {
        Auction storage auction = _open(auctionId, competitive);
        if (identityRegistry.identityOf(msg.sender) == 0) revert WalletNotRegistered(msg.sender);
        Seal storage made = _seals[auctionId][msg.sender][commitment];
        if (made.isSealed) revert BidAlreadySealed(msg.sender, commitment);
        if (_bidsOf[auctionId][msg.sender] >= MOST_BIDS) revert TooManyBids(msg.sender, MOST_BIDS);
        (made.isSealed, made.competitive) = (true, competitive);
        ++_bidsOf[auctionId][msg.sender];
        ++auction.sealedBids;
        emit BidSealed(auctionId, msg.sender, commitment, competitive);
    }

    /// @notice Takes a sealed bid back, until its close.
    function withdraw(bytes32 auctionId, bytes32 commitment) external {
        Seal memory made = _seals[auctionId][msg.sender][commitment];
        if (!made.isSealed) revert BidNotSealed(msg.sender, commitment);
        Auction storage auction = _open(auctionId, made.competitive);
        delete _seals[auctionId][msg.sender][commitment];
        --_bidsOf[auctionId][msg.sender];
        --auction.sealedBids;
        emit BidWithdrawn(auctionId, msg.sender, commitment);
    }

    /// @notice Puts the result on record, once, after the close.
    function close(bytes32 auctionId, bytes32 resultHash) external restricted {
        Auction storage auction = _known(auctionId);
        if (block.timestamp < auction.competitiveClose) revert BiddingOpen(auctionId, auction.competitiveClose);
        if (auction.resultHash != 0) revert AuctionAlreadyClosed(auctionId, auction.resultHash);
        if (resultHash == 0) revert ResultWithoutHash(auctionId);
        auction.resultHash = resultHash;
        emit AuctionClosed(auctionId, resultHash, auction.sealedBids);
    }

    /// @notice An auction as announced, how many bids are sealed, and its result.
    function auctionOf(bytes32 auctionId) external view returns (Auction memory) {
        return _auctions[auctionId];
    }

    /// @notice Whether a wallet has sealed a bid, and whether as a competitive one.
    function sealOf(bytes32 auctionId, address bidder, bytes32 commitment) external view returns (bool, bool) {
        Seal memory made = _seals[auctionId][bidder][commitment];
        return (made.isSealed, made.competitive);
    }

    function _open(bytes32 auctionId, bool competitive) private view returns (Auction storage auction) {
        auction = _known(auctionId);
        uint64 last = competitive ? auction.competitiveClose : auction.noncompetitiveClose;
        if (block.timestamp >= last) revert BiddingClosed(auctionId, last);
    }

    function _known(bytes32 auctionId) private view returns (Auction storage auction) {
        auction = _auctions[auctionId];
        if (auction.competitiveClose == 0) revert AuctionUnknown(auctionId);
    }
}
