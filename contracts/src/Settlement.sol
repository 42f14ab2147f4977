// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {ISettlementAsset} from "./interfaces/ISettlementAsset.sol";
import {GuardCalls} from "./settlement/GuardCalls.sol";
import {Instruction, InstructionHash, Leg} from "./settlement/Instruction.sol";
import {LegWords} from "./settlement/LegWords.sol";
import {NonceBits} from "./settlement/NonceBits.sol";
import {PackedInstructions} from "./settlement/PackedInstructions.sol";
import {PlanWords} from "./settlement/PlanWords.sol";
import {SortedAddresses} from "./settlement/SortedAddresses.sol";

/// @title Settlement
/// @notice Delivery versus payment, payment versus payment, or free of payment: all legs of an instruction, or none.
/// @dev Each giver signs the whole instruction (EIP-712), so no leg can be cut out of it. It has no owner, no roles
/// and holds nothing.
contract Settlement is EIP712, ReentrancyGuardTransient, GuardCalls {
    using SortedAddresses for uint256[];
    using TransientSlot for TransientSlot.Bytes32Slot;

    event Settled(bytes32 indexed instructionHash, bytes32 indexed planHash, bytes32 contextHash, Leg[] legs);
    event NonceCancelled(address indexed giver, uint256 nonce);
    event OperatorSet(address indexed giver, address indexed operator, bool approved);
    event InstructionFailed(bytes32 indexed instructionHash, bytes reason);

    error NothingToSettle();
    error TooManyLegs(uint256 legs, uint256 most);
    error TooEarly(uint64 notBefore);
    error InstructionExpired(uint64 deadline);
    error ZeroAmount(uint256 leg);
    error SelfLeg(uint256 leg);
    error UnregisteredToken(address token);
    error SignatureCountMismatch(uint256 givers, uint256 signatures);
    error NonceAlreadyUsed(address giver, uint256 nonce);
    error LegsNotSorted(uint256 leg);
    error PlanMismatch(bytes32 expected, bytes32 given);
    error PlanAlreadySettled(address giver, bytes32 planHash);
    error InvalidOperator(address operator);
    error OnlySettlement(address caller);

    /// @notice What a leg finds when those before it have moved: the largest amount that passes, and the code that
    /// refuses the leg's (0: it passes).
    struct Finding {
        uint256 largest;
        uint8 code;
    }

    /// @notice The answer of `judge`.
    error Judged(Finding[] findings);
    error InnerCallOutOfGas(uint256 instruction);

    /// @notice Most legs an instruction can have.
    uint256 public constant MAX_LEGS = 64;

    /// @notice Which tokens may be moved.
    IAssetRegistry public immutable assetRegistry;

    /// @notice Whose wallets are whose, for plan hashes.
    IIdentityRegistry public immutable identityRegistry;

    mapping(address giver => mapping(bytes32 planHash => bool)) private _settledPlans;
    mapping(address giver => mapping(address operator => bool)) private _operators;

    constructor(
        IAssetRegistry assetRegistry_,
        IIdentityRegistry identityRegistry_
    ) EIP712("tbill_defi Settlement", "1") {
        assetRegistry = assetRegistry_;
        identityRegistry = identityRegistry_;
    }

    /// @notice Settles all legs of an instruction, or reverts. Anyone may submit it.
    /// @param signatures One of each distinct giver, in ascending order of the givers' addresses; empty of one whose
    /// operator the caller is.
    function settle(Instruction calldata instruction, bytes[] calldata signatures) external nonReentrant {
        _settle(hashInstruction(instruction), instruction, signatures, false);
    }

    /// @notice Settles each instruction by itself: one that fails leaves no trace but `InstructionFailed`.
    /// @dev Reverts whole if an instruction ran out of gas, for its failure would say nothing about it.
    /// @param accounts The tokens and parties of all instructions: what their places are places in.
    /// @param instructions Each with its signatures as of `settle`, as PackedInstructions has them.
    function settleMany(address[] memory accounts, bytes calldata instructions) external nonReentrant {
        (bytes[] memory calls, bytes32[] memory hashes) = _unpack(accounts, instructions, false);
        _settleEach(calls, hashes);
    }

    /// @notice Settles, each by itself as `settleMany` does, instructions that were signed as one list (`hashBatch`).
    /// @dev Whoever gives in any of them has signed them all, in their order: no list that was cut, sorted otherwise or
    /// added to is signed. What is settled once is not settled again, for each instruction uses up its givers' nonces.
    /// @param accounts As of `settleMany`.
    /// @param instructions As PackedInstructions has them, none with signatures of its own.
    /// @param signatures One of each distinct giver of the list, in ascending order of addresses.
    function settleBatch(
        address[] memory accounts,
        bytes calldata instructions,
        bytes[] calldata signatures
    ) external nonReentrant {
        (bytes[] memory calls, bytes32[] memory hashes) = _unpack(accounts, instructions, true);
        bytes32 batchHash = _hashTypedDataV4(InstructionHash.batchHash(hashes));
        uint256[] memory givers = _giversOf(calls, accounts.length);
        if (givers.length == 0) revert NothingToSettle();
        if (givers.length != signatures.length) revert SignatureCountMismatch(givers.length, signatures.length);
        for (uint256 i = 0; i < givers.length; ++i) _requireSignature(givers.get(i), batchHash, signatures[i]);
        _settleEach(calls, hashes);
    }

    /// @notice What `settleMany` and `settleBatch` call for each instruction; only this contract may.
    /// @param instructionHash The digest of this instruction.
    /// @param signed Whether the givers' signatures of a list with this instruction were found to be theirs.
    function settleOne(
        bytes32 instructionHash,
        bool signed,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external {
        if (msg.sender != address(this)) revert OnlySettlement(msg.sender);
        _settle(instructionHash, instruction, signatures, signed);
    }

    /// @notice Answers, by reverting with `Judged`, what each leg finds when those before it have moved; a leg that is
    /// refused moves nothing. For calls off chain: it always reverts, so nothing ever moves by it, and asks nobody.
    function judge(Leg[] calldata legs) external nonReentrant {
        Finding[] memory findings = new Finding[](legs.length);
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            if (!assetRegistry.isRegistered(leg.token)) revert UnregisteredToken(leg.token);
            ISettlementAsset asset = ISettlementAsset(leg.token);
            (findings[i].largest, findings[i].code) = asset.judge(leg.from, leg.to, leg.amount);
            try asset.settlementTransfer(leg.from, leg.to, leg.amount) {} catch {}
        }
        revert Judged(findings);
    }

    /// @notice Uses up a nonce of the caller, so that no instruction with it can settle any more.
    function cancel(uint256 nonce) external {
        _useNonce(msg.sender, nonce);
        emit NonceCancelled(msg.sender, nonce);
    }

    /// @notice Lets a contract settle for the caller without his signature of each instruction, or no longer. Name one
    /// that moves only what he has agreed to elsewhere: a TradeBook, a ClearingHouse.
    /// @dev Never Settlement itself, which is the caller of `settleOne` whoever submitted the batch.
    function setOperator(address operator, bool approved) external {
        if (operator.code.length == 0 || operator == address(this)) revert InvalidOperator(operator);
        _operators[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
    }

    /// @notice Whether `operator` may settle for a giver without his signature.
    function isOperator(address giver, address operator) external view returns (bool) {
        return _operators[giver][operator];
    }

    /// @notice Whether a giver's nonce was settled or cancelled.
    function isNonceUsed(address giver, uint256 nonce) external view returns (bool) {
        return NonceBits.wordOf(giver, nonce).value & (1 << (nonce & 0xff)) != 0;
    }

    /// @notice Whether a plan was settled for a giver.
    function isPlanSettled(address giver, bytes32 planHash) external view returns (bool) {
        return _settledPlans[giver][planHash];
    }

    /// @notice Whether an instruction is being settled right now: legs may have moved that no guard has judged yet.
    function isSettling() external view returns (bool) {
        return _reentrancyGuardEntered();
    }

    /// @notice The EIP-712 digest that givers sign and events name.
    function hashInstruction(Instruction calldata instruction) public view returns (bytes32) {
        return _hashTypedDataV4(InstructionHash.structHash(instruction));
    }

    /// @notice The EIP-712 digest that givers sign of a list of instructions.
    function hashBatch(Instruction[] calldata instructions) public view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](instructions.length);
        for (uint256 i = 0; i < hashes.length; ++i) hashes[i] = InstructionHash.structHash(instructions[i]);
        return _hashTypedDataV4(InstructionHash.batchHash(hashes));
    }

    function _unpack(
        address[] memory accounts,
        bytes calldata instructions,
        bool signed
    ) private pure returns (bytes[] memory calls, bytes32[] memory hashes) {
        (calls, hashes) = PackedInstructions.unpack(instructions, accounts, this.settleOne.selector, signed);
        if (calls.length == 0) revert NothingToSettle();
    }

    /// @dev Calls this contract again for each instruction; one that fails leaves no trace but the event.
    function _settleEach(bytes[] memory calls, bytes32[] memory hashes) private {
        bytes32 domain = _domainSeparatorV4();
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes memory data = calls[i];
            bytes32 instructionHash = MessageHashUtils.toTypedDataHash(domain, hashes[i]);
            PackedInstructions.setHash(data, instructionHash);
            if (LowLevelCall.callNoReturn(address(this), data)) continue;
            if (LowLevelCall.returnDataSize() == 0) revert InnerCallOutOfGas(i);
            emit InstructionFailed(instructionHash, LowLevelCall.returnData());
        }
    }

    function _settle(
        bytes32 instructionHash,
        Instruction calldata instruction,
        bytes[] calldata signatures,
        bool signed
    ) private {
        if (block.timestamp < instruction.notBefore) revert TooEarly(instruction.notBefore);
        if (block.timestamp > instruction.deadline) revert InstructionExpired(instruction.deadline);
        Leg[] calldata legs = instruction.legs;
        if (legs.length == 0) revert NothingToSettle();
        if (legs.length > MAX_LEGS) revert TooManyLegs(legs.length, MAX_LEGS);

        (uint256[] memory givers, uint256[] memory parties) = _inspect(legs);
        _checkPlan(instruction, parties);
        _useUp(instruction, givers);
        if (!signed) _authorise(instructionHash, givers, signatures);

        for (uint256 i = 0; i < legs.length; ++i) LegWords.transfer(legs, i);
        for (uint256 i = 0; i < parties.length; ++i) _requireMandate(parties.get(i), instruction.planHash, legs);
        _emitSettled(instructionHash, instruction.planHash, instruction.contextHash, legs);
    }

    /// @dev Refuses malformed legs; lists the givers and all parties.
    function _inspect(Leg[] calldata legs) private returns (uint256[] memory givers, uint256[] memory parties) {
        givers = SortedAddresses.create(legs.length);
        parties = SortedAddresses.create(2 * legs.length);
        (uint256 lastFrom, uint256 lastTo) = (type(uint256).max, type(uint256).max); // nobody's address
        for (uint256 i = 0; i < legs.length; ++i) {
            (address token, address from, address to, uint256 amount) = LegWords.read(legs, i);
            if (amount == 0) revert ZeroAmount(i);
            if (from == to) revert SelfLeg(i);
            _assetIdOf(token);
            (uint256 giver, uint256 taker) = (uint160(from), uint160(to));
            if (giver != lastFrom) {
                givers.insert(from);
                if (giver != lastTo) parties.insert(from); // who was in the leg before is listed
            }
            if (taker != lastTo && taker != lastFrom) parties.insert(to);
            (lastFrom, lastTo) = (giver, taker);
        }
    }

    /// @dev Asset id of a token, asked once a transaction: what is registered stays so, under this id, for ever. It is
    /// kept in transient storage under the token's address, where nothing else is.
    function _assetIdOf(address token) private returns (bytes32 assetId) {
        TransientSlot.Bytes32Slot known = TransientSlot.asBytes32(bytes32(uint256(uint160(token))));
        assetId = known.tload();
        if (assetId != 0) return assetId;
        assetId = assetRegistry.assetIdOf(token);
        if (assetId == 0) revert UnregisteredToken(token);
        known.tstore(assetId);
    }

    /// @dev Recomputes the plan's hash from what would move: asset ids, party ids, amounts; nothing of this chain.
    function _checkPlan(Instruction calldata instruction, uint256[] memory parties) private {
        if (instruction.planHash == 0) {
            if (instruction.contextHash != 0) revert PlanMismatch(instruction.contextHash, 0);
            return;
        }
        bytes32 legsHash = _legsHash(instruction.legs, parties);
        bytes32 expected = keccak256(abi.encode(instruction.contextHash, legsHash));
        if (expected != instruction.planHash) revert PlanMismatch(expected, instruction.planHash);
    }

    /// @dev Keccak-256 of (asset id, from id, to id, amount) of each leg, 128 bytes a leg, strictly ascending by ids.
    function _legsHash(Leg[] calldata legs, uint256[] memory parties) private returns (bytes32) {
        bytes32[] memory ids = new bytes32[](parties.length);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = identityRegistry.identityOf(parties.get(i));
        bytes memory words = PlanWords.create(legs.length);
        bool two = ids.length == 2; // who is not the one is the other: no search
        address first = parties.get(0);
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            bytes32 fromId = ids[two ? (leg.from == first ? 0 : 1) : parties.indexOf(leg.from)];
            bytes32 toId = ids[two ? (leg.to == first ? 0 : 1) : parties.indexOf(leg.to)];
            bytes32 assetId = _assetIdOf(leg.token);
            if (!PlanWords.put(words, i, assetId, fromId, toId, leg.amount)) revert LegsNotSorted(i);
        }
        return keccak256(words);
    }

    /// @dev Each giver's nonce and his plan are used up.
    function _useUp(Instruction calldata instruction, uint256[] memory givers) private {
        (uint256 nonce, bytes32 planHash) = (instruction.nonce, instruction.planHash);
        for (uint256 i = 0; i < givers.length; ++i) {
            address giver = givers.get(i);
            _useNonce(giver, nonce);
            if (planHash != 0) _usePlan(giver, planHash);
        }
    }

    /// @dev Each giver signed exactly this, or the caller is his operator.
    function _authorise(bytes32 instructionHash, uint256[] memory givers, bytes[] calldata signatures) private view {
        if (givers.length != signatures.length) revert SignatureCountMismatch(givers.length, signatures.length);
        for (uint256 i = 0; i < givers.length; ++i) {
            address giver = givers.get(i);
            bytes calldata signature = signatures[i];
            if (signature.length == 0 && _operators[giver][msg.sender]) continue;
            _requireSignature(giver, instructionHash, signature);
        }
    }

    /// @dev Distinct givers of all instructions, ascending; at most `most`.
    function _giversOf(bytes[] memory calls, uint256 most) private pure returns (uint256[] memory givers) {
        givers = SortedAddresses.create(most);
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 legs = PackedInstructions.legsOf(calls[i]);
            for (uint256 k = 0; k < legs; ++k) givers.insert(PackedInstructions.giverOf(calls[i], k));
        }
    }

    function _useNonce(address giver, uint256 nonce) private {
        StorageSlot.Uint256Slot storage word = NonceBits.wordOf(giver, nonce);
        (uint256 bits, uint256 bit) = (word.value, 1 << (nonce & 0xff));
        if (bits & bit != 0) revert NonceAlreadyUsed(giver, nonce);
        word.value = bits | bit;
    }

    /// @dev `emit Settled(...)`: a leg is four words in calldata as in an event, and `_inspect` has read them all.
    function _emitSettled(
        bytes32 instructionHash,
        bytes32 planHash,
        bytes32 contextHash,
        Leg[] calldata legs
    ) private {
        bytes32 topic = Settled.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            let size := mul(legs.length, 0x80)
            mstore(data, contextHash)
            mstore(add(data, 0x20), 0x40)
            mstore(add(data, 0x40), legs.length)
            calldatacopy(add(data, 0x60), legs.offset, size)
            log3(data, add(size, 0x60), topic, instructionHash, planHash)
        }
    }

    function _usePlan(address giver, bytes32 planHash) private {
        if (_settledPlans[giver][planHash]) revert PlanAlreadySettled(giver, planHash);
        _settledPlans[giver][planHash] = true;
    }
}
