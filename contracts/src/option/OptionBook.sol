// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {IMandateGuard} from "../interfaces/IMandateGuard.sol";
import {IOptionBook} from "../interfaces/IOptionBook.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "../settlement/Instruction.sol";
import {Holds} from "../token/Holds.sol";
import {OptionKind, OptionMath, OptionTerms} from "./OptionTerms.sol";

/// @title OptionBook
/// @notice European calls and puts on securities: written against held collateral, exercised by delivery.
/// @dev A call's collateral is a hold on the writer's own units, which keep paying him coupons; a put's is cash here.
/// What is paid for an option, or at its exercise, goes through this contract, and this contract accepts an instruction
/// only inside its own entries: it signs (ERC-1271) and guards (as a managed account does) nothing else. So nobody can
/// settle a signed instruction past the book and leave the payer without his option or delivery.
/// It has no owner and no roles.
contract OptionBook is IOptionBook, IManagedAccount, IMandateGuard, IERC1271, ERC165, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    error NotOptionWriter(bytes32 id, address caller);
    error OptionAlreadyWritten(bytes32 id);
    error OptionNotWritten(bytes32 id, OptionStatus status);
    error OptionNotOpen(bytes32 id, OptionStatus status);
    error OptionOver(bytes32 id, OptionStatus status);
    error OptionOnUnknownSecurity(bytes32 cusip);
    error OptionWithoutAmount(uint256 face, uint256 strikeE6);
    error OptionWithoutHolder(address writer, address holder);
    error ExerciseWindowInvalid(uint64 settlementDate, uint64 exerciseFrom, uint64 exerciseUntil);
    error OptionOutlivesSecurity(uint64 exerciseUntil, uint64 maturity);
    error CallNotCovered(bytes32 id, address holdToken);
    error ExerciseTooEarly(uint64 exerciseFrom);
    error ExerciseTooLate(uint64 exerciseUntil);
    error ExerciseWindowNotPassed(uint64 exerciseUntil);
    error InstructionNotOfOption(bytes32 id);
    error QuoteNotSigned(bytes32 id, address writer);
    error QuoteCancelled(bytes32 id, uint256 nonce);
    error OnlyThroughOptionBook(bytes32 planHash);
    error NobodyToFollow(bytes32 id);

    /// @notice Longest day of New York, when clocks go back.
    uint64 private constant LONGEST_DAY = 25 hours;

    /// @notice Where everything settles.
    Settlement public immutable settlement;

    /// @notice What premiums and strikes are paid in.
    IERC20 public immutable cash;

    /// @inheritdoc IOptionBook
    uint256 public escrowed;

    mapping(bytes32 id => OptionState) private _options;

    /// @dev The instruction that is being settled by an entry of this contract.
    bytes32 private transient _digest;
    bytes32 private transient _planHash;

    constructor(Settlement settlement_, IERC20 cash_) {
        (settlement, cash) = (settlement_, cash_);
    }

    // --- deeds --------------------------------------------------------------------------------------------------

    /// @inheritdoc IOptionBook
    function write(OptionTerms calldata terms) external nonReentrant returns (bytes32 id) {
        id = OptionMath.idOf(terms);
        if (msg.sender != terms.writer) revert NotOptionWriter(id, msg.sender);
        if (_options[id].status != OptionStatus.None) revert OptionAlreadyWritten(id);
        SecurityToken token = _checked(terms);
        uint256 payment = OptionMath.paymentOf(terms);
        _options[id] = OptionState({
            writer: terms.writer,
            status: OptionStatus.Written,
            kind: terms.kind,
            holder: terms.holder,
            exerciseFrom: terms.exerciseFrom,
            token: address(token),
            exerciseUntil: terms.exerciseUntil,
            face: terms.face,
            payment: uint128(payment),
            premium: 0
        });
        emit OptionWritten(id, terms.writer, terms.holder, terms, payment);
        if (terms.kind == OptionKind.Call) {
            _requireCover(id, token, terms);
        } else {
            escrowed += payment;
            cash.safeTransferFrom(terms.writer, address(this), payment);
        }
    }

    /// @inheritdoc IOptionBook
    function buy(
        bytes32 id,
        Instruction calldata instruction,
        bytes[] calldata signatures,
        bytes calldata quote
    ) external nonReentrant {
        OptionState storage option = _acting(id);
        if (option.status != OptionStatus.Written) revert OptionNotWritten(id, option.status);
        if (block.timestamp > option.exerciseUntil) revert ExerciseTooLate(option.exerciseUntil);
        if (instruction.legs.length != 1) revert InstructionNotOfOption(id);
        uint256 premium = instruction.legs[0].amount;
        if (premium > type(uint128).max) revert InstructionNotOfOption(id);
        _requireLeg(id, instruction.legs[0], address(cash), option.holder, address(this), premium);
        (address writer, address holder) = (option.writer, option.holder);
        if (option.kind == OptionKind.Call && !_isPending(id, option.token)) revert CallNotCovered(id, option.token);
        if (settlement.isNonceUsed(writer, instruction.nonce)) revert QuoteCancelled(id, instruction.nonce);
        bytes32 digest = settlement.hashInstruction(instruction);
        if (!SignatureChecker.isValidSignatureNowCalldata(writer, digest, quote)) revert QuoteNotSigned(id, writer);
        option.status = OptionStatus.Open;
        option.premium = uint128(premium);
        emit OptionBought(id, holder, writer, premium);
        _settle(id, id, digest, instruction, signatures);
        cash.safeTransfer(writer, premium);
    }

    /// @inheritdoc IOptionBook
    function exercise(
        bytes32 id,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external nonReentrant {
        OptionState storage option = _acting(id);
        if (option.status != OptionStatus.Open) revert OptionNotOpen(id, option.status);
        if (block.timestamp < option.exerciseFrom) revert ExerciseTooEarly(option.exerciseFrom);
        if (block.timestamp > option.exerciseUntil) revert ExerciseTooLate(option.exerciseUntil);
        option.status = OptionStatus.Exercised;
        (uint256 face, uint256 payment) = (option.face, option.payment);
        emit OptionExercised(id, option.holder, face, payment);
        emit OptionAssigned(id, option.writer, option.kind, face, payment);
        Leg[] calldata legs = instruction.legs;
        bytes32 digest = settlement.hashInstruction(instruction);
        if (option.kind == OptionKind.Call) {
            if (legs.length != 1) revert InstructionNotOfOption(id);
            _requireLeg(id, legs[0], address(cash), option.holder, address(this), payment);
            SecurityToken(option.token).executeHold(id, face);
            _settle(id, OptionMath.exerciseContext(id), digest, instruction, signatures);
            cash.safeTransfer(option.writer, payment);
        } else {
            if (legs.length != 2) revert InstructionNotOfOption(id);
            uint256 delivery = legs[0].token == option.token ? 0 : 1;
            _requireLeg(id, legs[delivery], option.token, option.holder, option.writer, face);
            _requireLeg(id, legs[1 - delivery], address(cash), address(this), option.holder, payment);
            escrowed -= payment;
            _settle(id, OptionMath.exerciseContext(id), digest, instruction, signatures);
        }
    }

    /// @inheritdoc IOptionBook
    function expire(bytes32 id) external nonReentrant {
        OptionState storage option = _acting(id);
        bool bought = option.status == OptionStatus.Open;
        if (!bought && option.status != OptionStatus.Written) revert OptionOver(id, option.status);
        if (block.timestamp <= option.exerciseUntil) revert ExerciseWindowNotPassed(option.exerciseUntil);
        option.status = OptionStatus.Expired;
        emit OptionExpired(id, option.writer, bought);
        _free(id, option);
    }

    /// @inheritdoc IOptionBook
    function withdraw(bytes32 id) external nonReentrant {
        OptionState storage option = _acting(id);
        if (msg.sender != option.writer) revert NotOptionWriter(id, msg.sender);
        if (option.status != OptionStatus.Written) revert OptionNotWritten(id, option.status);
        option.status = OptionStatus.Withdrawn;
        emit OptionWithdrawn(id, option.writer);
        _free(id, option);
    }

    /// @inheritdoc IOptionBook
    function follow(bytes32 id) external nonReentrant {
        if (!_follow(id, _options[id])) revert NobodyToFollow(id);
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @inheritdoc IOptionBook
    function optionOf(bytes32 id) external view returns (OptionState memory) {
        return _options[id];
    }

    /// @inheritdoc IOptionBook
    function idOf(OptionTerms calldata terms) external pure returns (bytes32) {
        return OptionMath.idOf(terms);
    }

    /// @inheritdoc IOptionBook
    function paymentOf(OptionTerms calldata terms) external pure returns (uint256) {
        return OptionMath.paymentOf(terms);
    }

    /// @inheritdoc IOptionBook
    function exerciseContext(bytes32 id) external pure returns (bytes32) {
        return OptionMath.exerciseContext(id);
    }

    // --- what Settlement asks -----------------------------------------------------------------------------------

    /// @inheritdoc IManagedAccount
    function guard() external view returns (address) {
        return address(this);
    }

    /// @inheritdoc IMandateGuard
    /// @dev Called after every instruction that touches this contract.
    function check(address, bytes32 planHash, Leg[] calldata) external view {
        if (planHash == 0 || planHash != _planHash) revert OnlyThroughOptionBook(planHash);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash != 0 && hash == _digest ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return
            interfaceId == type(IManagedAccount).interfaceId ||
            interfaceId == type(IERC1271).interfaceId ||
            super.supportsInterface(interfaceId);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev An option in which something is done, by those who stand for its parties now: a lost key agrees to nothing,
    /// and is paid nothing.
    function _acting(bytes32 id) private returns (OptionState storage option) {
        option = _options[id];
        _follow(id, option);
    }

    function _follow(bytes32 id, OptionState storage option) private returns (bool moved) {
        IIdentityRegistry identities = settlement.identityRegistry();
        (address writer, address holder) = (option.writer, option.holder);
        (option.writer, option.holder) = (identities.currentWallet(writer), identities.currentWallet(holder));
        moved = option.writer != writer || option.holder != holder;
        if (moved) emit OptionFollowed(id, option.writer, option.holder);
    }

    /// @dev The window lies on the settlement date and ends before the security does.
    function _checked(OptionTerms calldata terms) private view returns (SecurityToken token) {
        if (terms.face == 0 || terms.strikeE6 == 0) revert OptionWithoutAmount(terms.face, terms.strikeE6);
        if (terms.holder == address(0) || terms.holder == terms.writer || terms.holder == address(this)) {
            revert OptionWithoutHolder(terms.writer, terms.holder);
        }
        token = SecurityToken(settlement.assetRegistry().tokenOf(terms.cusip));
        if (address(token) == address(0) || address(token) == address(cash)) {
            revert OptionOnUnknownSecurity(terms.cusip);
        }
        if (
            terms.exerciseFrom < terms.settlementDate ||
            terms.exerciseUntil < terms.exerciseFrom ||
            terms.exerciseUntil - terms.settlementDate >= LONGEST_DAY
        ) revert ExerciseWindowInvalid(terms.settlementDate, terms.exerciseFrom, terms.exerciseUntil);
        if (block.timestamp > terms.exerciseUntil) revert ExerciseTooLate(terms.exerciseUntil);
        if (terms.exerciseUntil >= token.maturity()) {
            revert OptionOutlivesSecurity(terms.exerciseUntil, token.maturity());
        }
    }

    /// @dev The writer may have made it with other terms, so the hold itself is read.
    function _requireCover(bytes32 id, SecurityToken token, OptionTerms calldata terms) private view {
        Holds.Hold memory found = token.hold(id);
        if (
            found.status != Holds.HoldStatus.Pending ||
            found.holder != terms.writer ||
            found.notary != address(this) ||
            found.to != terms.holder ||
            found.amount != terms.face ||
            found.expiry < terms.exerciseUntil
        ) revert CallNotCovered(id, address(token));
    }

    /// @dev Of a hold that was checked when the option was written, only the status can have changed.
    function _isPending(bytes32 id, address token) private view returns (bool) {
        return SecurityToken(token).hold(id).status == Holds.HoldStatus.Pending;
    }

    function _requireLeg(
        bytes32 id,
        Leg calldata leg,
        address token,
        address from,
        address to,
        uint256 amount
    ) private pure {
        if (leg.token != token || leg.from != from || leg.to != to || leg.amount != amount) {
            revert InstructionNotOfOption(id);
        }
    }

    function _settle(
        bytes32 id,
        bytes32 context,
        bytes32 digest,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) private {
        if (instruction.contextHash != context) revert InstructionNotOfOption(id);
        (_digest, _planHash) = (digest, instruction.planHash);
        settlement.settle(instruction, signatures);
        (_digest, _planHash) = (0, 0);
    }

    /// @dev A call's hold may be over already: expired, released by the holder, or ended by the enforcer.
    function _free(bytes32 id, OptionState storage option) private {
        if (option.kind == OptionKind.Put) {
            escrowed -= option.payment;
            cash.safeTransfer(option.writer, option.payment);
        } else if (_isPending(id, option.token)) {
            SecurityToken(option.token).releaseHold(id);
        }
    }
}
