// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAccountRoles, IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "./Instruction.sol";
import {Trade, TradeHash, TradeStatus} from "./Trade.sol";

/// @title TradeBook
/// @notice Affirmed trades: agreed and signed now, settled from their date on by whoever asks, whole or in parts.
/// @dev It holds nothing. It settles through Settlement, as the operator that a party has named there, or with that
/// party's own signature of the instruction, and moves nothing but what both parties of a trade have signed.
contract TradeBook is EIP712 {
    /// @notice What is kept of a trade: where it stands and what face of it has settled.
    struct Progress {
        TradeStatus status;
        uint128 settled;
    }

    /// @notice What one account takes of a block.
    /// @param consent The account's signature over the id of its trade; empty where the allocator manages the account:
    /// it answers for itself when its trade settles, and its guard after.
    struct Allotment {
        address account;
        uint128 face;
        bytes consent;
    }

    event TradeAffirmed(bytes32 indexed id, address indexed seller, address indexed buyer, Trade trade);
    event TradeSettled(bytes32 indexed id, uint256 face, uint256 cash, uint256 remaining);
    event TradeCancelled(bytes32 indexed id, uint256 remaining);
    event TradeAllocated(bytes32 indexed id, bytes32[] children);
    event TradeNovated(bytes32 indexed id, address indexed clearer, uint256 face, uint256 cash);

    error TradeNotOpen(bytes32 id, TradeStatus status);
    error TradeAlreadyAffirmed(bytes32 id);
    error InvalidTrade(bytes32 id);
    error TradeNotSigned(bytes32 id, address party);
    error TradeTooEarly(bytes32 id, uint64 opens);
    error TradeLapsed(bytes32 id, uint64 deadline);
    error PartialNotAllowed(bytes32 id, uint256 face, uint256 open, uint256 minimum, uint256 lot);
    error AllocationMismatch(bytes32 id, uint256 allocated, uint256 face);
    error NotAllocable(bytes32 id);
    error TooManyAccounts(uint256 accounts, uint256 most);
    error NotClearer(bytes32 id, address caller);

    /// @notice Most accounts that a block is allocated to.
    uint256 public constant MAX_ACCOUNTS = 32;

    /// @notice Where everything settles.
    Settlement public immutable settlement;

    mapping(bytes32 id => Progress) private _progress;

    constructor(Settlement settlement_) EIP712("tbill_defi TradeBook", "1") {
        settlement = settlement_;
    }

    // --- deeds --------------------------------------------------------------------------------------------------

    /// @notice Enters a trade that both parties have signed. Anyone may submit it.
    function affirm(
        Trade calldata trade,
        bytes calldata sellerSignature,
        bytes calldata buyerSignature
    ) external returns (bytes32 id) {
        id = idOf(trade);
        _requireSignature(id, trade.seller, id, sellerSignature);
        _requireSignature(id, trade.buyer, id, buyerSignature);
        _enter(id, trade);
    }

    /// @notice Settles `face` of an open trade, or reverts. Anyone may, from the settlement date on.
    /// @param signatures One of each party, ascending by address; empty of a party that has named this book as its
    /// operator, else over `instructionOf(trade, face)`.
    /// @dev Cash is proceeds x settled / face, rounded down, less what was paid: a part favours the payer by less than
    /// a unit, and the last one pays the proceeds exactly.
    function settle(Trade calldata trade, uint128 face, bytes[] calldata signatures) external {
        bytes32 id = idOf(trade);
        Progress memory before = _requireOpen(id);
        if (block.timestamp < trade.opens) revert TradeTooEarly(id, trade.opens);
        if (block.timestamp > trade.deadline) revert TradeLapsed(id, trade.deadline);
        uint128 open = trade.face - before.settled;
        if (face != open) {
            bool fits = trade.lot != 0 && face >= trade.minimum && face < open && face % trade.lot == 0;
            if (!fits) revert PartialNotAllowed(id, face, open, trade.minimum, trade.lot);
        }
        Instruction memory instruction = _instruction(trade, id, before.settled, face);
        _progress[id] = Progress(face == open ? TradeStatus.Settled : TradeStatus.Open, before.settled + face);
        emit TradeSettled(id, face, _cashOf(trade, before.settled, face), open - face);
        settlement.settle(instruction, signatures);
    }

    /// @notice Ends what is open of a trade, by both parties' signatures over its id and what has settled.
    function cancel(Trade calldata trade, bytes calldata sellerSignature, bytes calldata buyerSignature) external {
        bytes32 id = idOf(trade);
        Progress memory before = _requireOpen(id);
        bytes32 digest = cancellationDigest(id, before.settled);
        _requireSignature(id, trade.seller, digest, sellerSignature);
        _requireSignature(id, trade.buyer, digest, buyerSignature);
        _progress[id].status = TradeStatus.Cancelled;
        emit TradeCancelled(id, trade.face - before.settled);
    }

    /// @notice Replaces a block trade by one trade for each account, at the block's price; their faces sum to its face.
    /// @param signature The block's allocator's, over `allocationDigest`.
    function allocate(
        Trade calldata trade,
        Allotment[] calldata allotments,
        bytes calldata signature
    ) external returns (bytes32[] memory children) {
        bytes32 id = idOf(trade);
        Progress memory before = _requireOpen(id);
        if (trade.allocator == address(0) || before.settled != 0) revert NotAllocable(id);
        if (allotments.length > MAX_ACCOUNTS) revert TooManyAccounts(allotments.length, MAX_ACCOUNTS);
        _progress[id].status = TradeStatus.Allocated;
        _requireSignature(id, trade.allocator, _digestOf(id, allotments), signature);
        children = new bytes32[](allotments.length);
        uint256 allocated;
        for (uint256 i = 0; i < allotments.length; ++i) {
            uint256 face = allotments[i].face;
            if (face > trade.face - allocated) revert AllocationMismatch(id, allocated + face, trade.face);
            children[i] = _enterChild(trade, i, uint128(allocated), allotments[i]);
            allocated += face;
        }
        if (allocated != trade.face) revert AllocationMismatch(id, allocated, trade.face);
        emit TradeAllocated(id, children);
    }

    /// @notice Closes a trade against the obligations that its clearer takes over, and tells what was open of it.
    function novate(Trade calldata trade) external returns (uint128 face, uint128 cash) {
        bytes32 id = idOf(trade);
        Progress memory before = _requireOpen(id);
        if (msg.sender != trade.clearer) revert NotClearer(id, msg.sender);
        face = trade.face - before.settled;
        cash = uint128(_cashOf(trade, before.settled, face));
        _progress[id].status = TradeStatus.Novated;
        emit TradeNovated(id, msg.sender, face, cash);
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @notice Where a trade stands.
    function progressOf(bytes32 id) external view returns (Progress memory) {
        return _progress[id];
    }

    /// @notice The EIP-712 digest of a trade: its id, and what both parties sign.
    function idOf(Trade calldata trade) public view returns (bytes32) {
        return _hashTypedDataV4(TradeHash.ofTrade(trade));
    }

    /// @notice What both sign to end what is open of a trade.
    function cancellationDigest(bytes32 id, uint128 settled) public view returns (bytes32) {
        return _hashTypedDataV4(TradeHash.ofCancellation(id, settled));
    }

    /// @notice What the manager of a block signs.
    function allocationDigest(
        bytes32 id,
        address[] memory accounts,
        uint128[] memory faces
    ) public view returns (bytes32) {
        return _hashTypedDataV4(TradeHash.ofAllocation(id, accounts, faces));
    }

    /// @notice The instruction that would settle `face` of a trade now: what a party signs that names no operator.
    function instructionOf(Trade calldata trade, uint128 face) external view returns (Instruction memory) {
        bytes32 id = idOf(trade);
        return _instruction(trade, id, _progress[id].settled, face);
    }

    /// @notice The trade of account number `index` of a block of which `allocated` went to the accounts before it.
    function childOf(
        Trade calldata trade,
        uint256 index,
        address account,
        uint128 allocated,
        uint128 face
    ) public view returns (Trade memory child) {
        child = trade;
        if (trade.allocator == trade.seller) child.seller = account;
        else child.buyer = account;
        child.face = face;
        child.proceeds = uint128(_cashOf(trade, allocated, face));
        if (child.minimum > face) (child.minimum, child.lot) = (0, 0);
        child.allocator = address(0);
        child.nonce = uint256(keccak256(abi.encode(idOf(trade), index)));
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev An account agrees to its trade, unless the allocator manages it.
    function _enterChild(
        Trade calldata trade,
        uint256 index,
        uint128 allocated,
        Allotment calldata allotment
    ) private returns (bytes32 id) {
        address account = allotment.account;
        Trade memory child = childOf(trade, index, account, allocated, allotment.face);
        id = _hashTypedDataV4(TradeHash.ofTrade(child));
        if (!_manages(trade.allocator, account)) _requireSignature(id, account, id, allotment.consent);
        _enter(id, child);
    }

    function _digestOf(bytes32 id, Allotment[] calldata allotments) private view returns (bytes32) {
        address[] memory accounts = new address[](allotments.length);
        uint128[] memory faces = new uint128[](allotments.length);
        for (uint256 i = 0; i < allotments.length; ++i) {
            (accounts[i], faces[i]) = (allotments[i].account, allotments[i].face);
        }
        return allocationDigest(id, accounts, faces);
    }

    function _enter(bytes32 id, Trade memory trade) private {
        if (_progress[id].status != TradeStatus.None) revert TradeAlreadyAffirmed(id);
        bool whole = trade.minimum == 0 && trade.lot == 0;
        bool parts = trade.lot != 0 && trade.minimum >= trade.lot && trade.minimum <= trade.face;
        address allocator = trade.allocator;
        bool allocable = allocator == address(0) || allocator == trade.seller || allocator == trade.buyer;
        if (
            trade.seller == trade.buyer ||
            trade.asset == trade.cash ||
            trade.face == 0 ||
            trade.proceeds == 0 ||
            trade.opens > trade.closes ||
            trade.closes > trade.deadline ||
            block.timestamp > trade.deadline ||
            !(whole || parts) ||
            !allocable ||
            settlement.assetRegistry().assetIdOf(trade.asset) == 0 ||
            settlement.assetRegistry().assetIdOf(trade.cash) == 0
        ) revert InvalidTrade(id);
        _progress[id].status = TradeStatus.Open;
        emit TradeAffirmed(id, trade.seller, trade.buyer, trade);
    }

    function _requireOpen(bytes32 id) private view returns (Progress memory progress) {
        progress = _progress[id];
        if (progress.status != TradeStatus.Open) revert TradeNotOpen(id, progress.status);
    }

    function _requireSignature(bytes32 id, address party, bytes32 digest, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(party, digest, signature)) revert TradeNotSigned(id, party);
    }

    /// @dev A managed account names its manager; Settlement asks it for his signature, and its guard for its judgement.
    function _manages(address manager, address account) private view returns (bool) {
        return
            account.code.length != 0 &&
            ERC165Checker.supportsInterface(account, type(IManagedAccount).interfaceId) &&
            IAccountRoles(account).manager() == manager;
    }

    /// @dev Cash for the next `face` of a trade of which `settled` has gone before.
    function _cashOf(Trade calldata trade, uint256 settled, uint256 face) private pure returns (uint256) {
        uint256 proceeds = trade.proceeds;
        return (proceeds * (settled + face)) / trade.face - (proceeds * settled) / trade.face;
    }

    /// @dev Two legs in the order of their asset ids, under the plan hash that names the trade and the part.
    function _instruction(
        Trade calldata trade,
        bytes32 id,
        uint128 settled,
        uint128 face
    ) private view returns (Instruction memory instruction) {
        bytes32 assetId = settlement.assetRegistry().assetIdOf(trade.asset);
        bytes32 cashId = settlement.assetRegistry().assetIdOf(trade.cash);
        (uint256 delivery, uint256 payment) = assetId < cashId ? (0, 1) : (1, 0);
        Leg[] memory legs = new Leg[](2);
        legs[delivery] = Leg(trade.asset, trade.seller, trade.buyer, face);
        legs[payment] = Leg(trade.cash, trade.buyer, trade.seller, _cashOf(trade, settled, face));
        bytes32[2] memory ids;
        (ids[delivery], ids[payment]) = (assetId, cashId);
        bytes memory words = bytes.concat(_words(legs[0], ids[0]), _words(legs[1], ids[1]));
        bytes32 context = TradeHash.ofFill(id, settled);
        instruction = Instruction({
            legs: legs,
            notBefore: trade.opens,
            deadline: trade.deadline,
            nonce: uint256(context),
            contextHash: context,
            planHash: keccak256(abi.encode(context, keccak256(words)))
        });
    }

    function _words(Leg memory leg, bytes32 assetId) private view returns (bytes memory) {
        return
            abi.encode(
                assetId,
                settlement.identityRegistry().identityOf(leg.from),
                settlement.identityRegistry().identityOf(leg.to),
                leg.amount
            );
    }
}
