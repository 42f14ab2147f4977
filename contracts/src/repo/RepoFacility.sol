// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {CouponPayer} from "../life/CouponPayer.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "../settlement/Instruction.sol";
import {RepoBook} from "./RepoBook.sol";
import {MarginRule, RepoHash, RepoTerms} from "./RepoTerms.sol";

/// @title RepoFacility
/// @notice Term repo at a fixed rate: cash against collateral, both really moved, collateral held here to the end.
/// @dev I11. Title to the collateral is the lender's while the repo runs; this contract holds it for him, so that it
/// cannot be delivered elsewhere. The borrower has the claim to get it back against the repurchase price, and its
/// coupons meanwhile. On default the lender takes it at the mark.
///
/// Every movement from a party is an Instruction that the party signed, with what is done as its contextHash; what
/// needs the lender's consent carries his signature over the same Instruction. This contract is a party to each of them
/// and agrees to none that it is not settling itself (see OwnEntries); it gives in none, so it signs none. What it
/// passes on, collateral to whom it is due and cash to the lender, leaves by its own transfer in the same transaction.
///
/// Exposure = outstanding cash + interest; interest = sum over intervals of outstanding cash x rate x days / 360, exact
/// until it is read, then rounded half up to a unit, once. Collateral is valued at the oracle's dirty price (at par
/// from its maturity on); what can be lent on it is rounded down, against the borrower.
///
/// Days are those between New York midnights. Acts name the one that begins today (`asOf`), for contracts know no time
/// zone: it must be within the last 24 hours and a whole number of days from the start, give or take a clock change.
contract RepoFacility is RepoBook, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    event RepoOpened(bytes32 indexed repoId, address indexed lender, address indexed borrower, RepoTerms terms);
    event RepoMarked(bytes32 indexed repoId, uint256 priceE6, uint256 exposure, uint256 lendable);
    event MarginCalled(bytes32 indexed repoId, uint256 deficit, uint64 deadline);
    event MarginCallMet(bytes32 indexed repoId);
    event MarginDelivered(bytes32 indexed repoId, uint256 face, uint256 cash);
    event CollateralSubstituted(
        bytes32 indexed repoId,
        address indexed oldToken,
        uint256 oldFace,
        address indexed newToken,
        uint256 newFace
    );
    event CollateralReleased(bytes32 indexed repoId, uint256 face);
    event PartlyRepurchased(bytes32 indexed repoId, uint256 principal, uint256 face);
    event Repurchased(bytes32 indexed repoId, uint256 principal, uint256 interest);

    /// @notice The lender took `lenderFace` at the mark for `debt`; `shortfall` is what he still claims.
    event ClosedOut(
        bytes32 indexed repoId,
        uint256 priceE6,
        uint256 debt,
        uint256 lenderFace,
        uint256 borrowerFace,
        uint256 shortfall
    );

    error RepoAlreadyExists(bytes32 repoId);
    error InvalidRepoTerms(bytes32 repoId);
    error ContextMismatch(bytes32 expected, bytes32 given);
    error UnexpectedLeg(uint256 leg);
    error NotLender(address caller, address lender);
    error LenderHasNotSigned(address lender);
    error CashNotCalled(uint256 cash, uint256 deficit);
    error RepurchaseAmountMismatch(uint256 expected, uint256 given);
    error RepurchaseExceedsRepo(uint256 principal, uint256 face);
    error NotInDefault(bytes32 repoId, uint64 callDeadline, uint64 end);

    /// @notice An instruction with this plan touches a repo and came to Settlement past this contract.
    error OnlyThroughRepoFacility(bytes32 planHash);

    constructor(
        Settlement settlement_,
        IERC20 cash_,
        CouponPayer couponPayer_,
        IPriceOracle oracle_
    ) RepoBook(settlement_, cash_, couponPayer_, oracle_) {}

    // --- questions ----------------------------------------------------------------------------------------------

    /// @notice Name of a repo with these terms, and the contextHash of its opening.
    function hashTerms(RepoTerms calldata terms) public pure returns (bytes32) {
        return RepoHash.ofTerms(terms);
    }

    // --- opening ------------------------------------------------------------------------------------------------

    /// @notice Opens a repo on its purchase date: cash to the borrower, collateral to this contract, or nothing.
    /// @param instruction Exactly these two legs; its contextHash is `hashTerms(terms)`, so both signatures cover them.
    function open(
        RepoTerms calldata terms,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external nonReentrant returns (bytes32 repoId) {
        repoId = RepoHash.ofTerms(terms);
        Repo storage repo = _repos[repoId];
        if (repo.status != Status.None) revert RepoAlreadyExists(repoId);
        _requireContext(instruction, repoId);
        _requireSound(repoId, terms);
        if (instruction.legs.length != 2) revert UnexpectedLeg(instruction.legs.length);
        for (uint256 i = 0; i < 2; ++i) {
            Leg calldata leg = instruction.legs[i];
            bool paid = leg.token == address(cash) && leg.from == terms.lender && leg.to == terms.borrower;
            if (!paid && !_isLeg(leg, terms.token, terms.borrower)) revert UnexpectedLeg(i);
            if (leg.amount != (paid ? terms.cash : terms.face)) revert UnexpectedLeg(i);
        }
        _record(repo, terms);
        _requireCovered(repo, _eligiblePrice(repo.token, terms.end), terms.start);
        _setHeld(repoId, repo.token, terms.face);
        emit RepoOpened(repoId, terms.lender, terms.borrower, terms);
        _settle(instruction, signatures);
    }

    // --- margin -------------------------------------------------------------------------------------------------

    /// @notice Marks a repo to market. Calls margin if the collateral is short, ends a call if it is not. Anyone may.
    /// @dev A call that is open keeps its deadline.
    function mark(bytes32 repoId, uint64 asOf) external nonReentrant {
        Repo storage repo = _acting(repoId, asOf);
        (uint256 priceE6, uint256 exposure, uint256 lendable) = coverageOf(repoId, asOf);
        emit RepoMarked(repoId, priceE6, exposure, lendable);
        _judge(repoId, repo, exposure, lendable);
    }

    /// @notice Takes margin from the borrower: more of the collateral, and, while margin is called, cash.
    /// @dev Cash is passed on to the lender and reduces what is outstanding; at most the deficit, and never all of it.
    /// The call ends if it is met; if the collateral is short still, one is open.
    /// @param instruction The borrower's: collateral and cash to this contract, one or both.
    function deliverMargin(
        bytes32 repoId,
        uint64 asOf,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external nonReentrant {
        Repo storage repo = _acting(repoId, asOf);
        _requireContext(instruction, RepoHash.ofMargin(repoId, repo.acts++, asOf));
        (uint256 priceE6, uint256 exposure, uint256 lendable) = coverageOf(repoId, asOf);
        uint256 face = 0;
        uint256 paid = 0;
        for (uint256 i = 0; i < instruction.legs.length; ++i) {
            Leg calldata leg = instruction.legs[i];
            if (_isLeg(leg, address(repo.token), repo.borrower)) face += leg.amount;
            else if (_isLeg(leg, address(cash), repo.borrower)) paid += leg.amount;
            else revert UnexpectedLeg(i);
        }
        if (face != 0) {
            _eligiblePrice(repo.token, uint64(block.timestamp));
            _changeFace(repoId, repo, repo.face + face);
        }
        if (paid != 0) {
            uint256 deficit = exposure > lendable ? exposure - lendable : 0;
            if (repo.callDeadline == 0 || paid > deficit || paid >= repo.principal) revert CashNotCalled(paid, deficit);
            _accrue(repo, asOf);
            repo.principal -= paid;
        }
        emit MarginDelivered(repoId, face, paid);
        _judge(repoId, repo, exposure - paid, _lendable(repo, priceE6));
        _settle(instruction, signatures);
        if (paid != 0) cash.safeTransfer(repo.lender, paid);
    }

    /// @notice Gives the borrower collateral back that is not needed; the lender's to do.
    function releaseCollateral(bytes32 repoId, uint64 asOf, uint256 face) external nonReentrant {
        Repo storage repo = _acting(repoId, asOf);
        if (msg.sender != repo.lender) revert NotLender(msg.sender, repo.lender);
        if (face == 0 || face > repo.face) revert RepurchaseExceedsRepo(0, face);
        _changeFace(repoId, repo, repo.face - face);
        _requireCovered(repo, priceOf(repo.token), asOf);
        _endCall(repoId, repo);
        emit CollateralReleased(repoId, face);
        _deliver(repo.token, repo.borrower, face);
    }

    /// @notice Exchanges the collateral for another, which must cover; cash, rate and end stay.
    /// @param instruction The borrower's: the new collateral to this contract.
    /// @param consent The lender's signature over the same Instruction.
    function substitute(
        bytes32 repoId,
        uint64 asOf,
        SecurityToken token,
        uint256 face,
        Instruction calldata instruction,
        bytes[] calldata signatures,
        bytes calldata consent
    ) external nonReentrant {
        Repo storage repo = _acting(repoId, asOf);
        _requireContext(instruction, RepoHash.ofSubstitution(repoId, repo.acts++, asOf, address(token), face));
        _requireConsent(repo, instruction, consent);
        _requireOneLeg(instruction, address(token), repo.borrower, face);
        (SecurityToken oldToken, uint256 oldFace) = (repo.token, repo.face);
        _setHeld(repoId, oldToken, 0);
        repo.token = token;
        _changeFace(repoId, repo, face);
        _requireCovered(repo, _eligiblePrice(token, repo.end), asOf);
        _endCall(repoId, repo);
        emit CollateralSubstituted(repoId, address(oldToken), oldFace, address(token), face);
        _settle(instruction, signatures);
        _deliver(oldToken, repo.borrower, oldFace);
    }

    // --- the end ------------------------------------------------------------------------------------------------

    /// @notice Repurchases all or a part: the borrower pays, and gets collateral back in the same transaction.
    /// @dev All of it, from the repurchase date on, is the borrower's right; earlier, or a part, takes the lender's
    /// consent. All is outstanding cash and interest against all collateral; a part is principal only, its interest so
    /// far stays due, and what remains must be covered.
    /// @param face What comes back for a part. Of all it is not named (0), so that the lender cannot make the
    /// borrower's signature void by releasing a unit before it is used.
    /// @param instruction The borrower's: cash to this contract, which passes it on to the lender.
    /// @param consent The lender's signature over the same Instruction, or nothing where it is not needed.
    function repurchase(
        bytes32 repoId,
        uint64 asOf,
        uint256 principal,
        uint256 face,
        Instruction calldata instruction,
        bytes[] calldata signatures,
        bytes calldata consent
    ) external nonReentrant {
        Repo storage repo = _acting(repoId, asOf);
        _requireContext(instruction, RepoHash.ofRepurchase(repoId, repo.acts++, asOf, principal, face));
        bool all = principal == repo.principal;
        if (principal > repo.principal || face > (all ? 0 : repo.face)) revert RepurchaseExceedsRepo(principal, face);
        if (!all || asOf < repo.end) _requireConsent(repo, instruction, consent);
        _accrue(repo, asOf);
        uint256 interest = all ? _interest(repo, asOf) : 0;
        _requireOneLeg(instruction, address(cash), repo.borrower, principal + interest);
        repo.principal -= principal;
        uint256 back = all ? repo.face : face;
        _changeFace(repoId, repo, repo.face - back);
        if (all) {
            repo.status = Status.Repurchased;
            repo.callDeadline = 0;
            emit Repurchased(repoId, principal, interest);
        } else {
            _requireCovered(repo, priceOf(repo.token), asOf);
            _endCall(repoId, repo);
            emit PartlyRepurchased(repoId, principal, back);
        }
        _settle(instruction, signatures);
        cash.safeTransfer(repo.lender, principal + interest);
        _deliver(repo.token, repo.borrower, back);
    }

    /// @notice Closes out a repo in default: margin not met by its deadline, or not repurchased on its date.
    /// @dev The lender's to do. He takes collateral for the debt at the mark, without margin, rounded up to the
    /// security's denomination (against the borrower, or neither part could be delivered); the
    /// rest goes back to the borrower. If all of it is not enough, the rest of the debt is recorded.
    function closeOut(bytes32 repoId, uint64 asOf) external nonReentrant {
        Repo storage repo = _acting(repoId, asOf);
        if (msg.sender != repo.lender) revert NotLender(msg.sender, repo.lender);
        (uint256 priceE6, uint256 debt, uint256 lendable) = coverageOf(repoId, asOf);
        bool unmet = repo.callDeadline != 0 && block.timestamp > repo.callDeadline && lendable < debt;
        if (!unmet && block.timestamp < uint256(repo.end) + 1 days) {
            revert NotInDefault(repoId, repo.callDeadline, repo.end);
        }
        uint256 face = repo.face;
        uint256 lot = settlement.assetRegistry().denominationOf(address(repo.token));
        uint256 taken = Math.min(face, lot * Math.ceilDiv(debt * PRICE_UNIT, priceE6 * lot));
        uint256 worth = (face * priceE6) / PRICE_UNIT;
        _accrue(repo, asOf);
        repo.shortfall = worth < debt ? debt - worth : 0;
        repo.status = Status.ClosedOut;
        repo.callDeadline = 0;
        _changeFace(repoId, repo, 0);
        emit ClosedOut(repoId, priceE6, debt, taken, face - taken, repo.shortfall);
        _deliver(repo.token, repo.lender, taken);
        _deliver(repo.token, repo.borrower, face - taken);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _record(Repo storage repo, RepoTerms calldata terms) private {
        (repo.lender, repo.borrower) = (terms.lender, terms.borrower);
        (repo.token, repo.face, repo.principal) = (SecurityToken(terms.token), terms.face, terms.cash);
        (repo.rateE9, repo.callSeconds) = (terms.rateE9, terms.callSeconds);
        (repo.start, repo.end, repo.accruedTo) = (terms.start, terms.end, terms.start);
        (repo.marginRule, repo.marginE9) = (terms.marginRule, terms.marginE9);
        repo.status = Status.Open;
    }

    function _requireSound(bytes32 repoId, RepoTerms calldata terms) private view {
        bool margin = terms.marginRule == MarginRule.Haircut
            ? terms.marginE9 < E9
            : terms.marginE9 >= E9 && terms.marginE9 <= 10 * E9;
        bool dates = terms.end > terms.start &&
            _wholeDays(terms.start, terms.end) &&
            _days(terms.start, terms.end) <= LONGEST_DAYS;
        bool parties = terms.lender != terms.borrower &&
            terms.lender != address(this) &&
            terms.borrower != address(this);
        if (!margin || !dates || !parties || terms.rateE9 > E9) revert InvalidRepoTerms(repoId);
        if (block.timestamp < terms.start || block.timestamp - terms.start >= 1 days) revert NotToday(terms.start);
    }

    /// @dev I11: collateral covers, or a margin call is open.
    function _judge(bytes32 repoId, Repo storage repo, uint256 exposure, uint256 lendable) private {
        if (lendable >= exposure) return _endCall(repoId, repo);
        if (repo.callDeadline == 0) repo.callDeadline = uint64(block.timestamp) + repo.callSeconds;
        emit MarginCalled(repoId, exposure - lendable, repo.callDeadline);
    }

    function _endCall(bytes32 repoId, Repo storage repo) private {
        if (repo.callDeadline == 0) return;
        repo.callDeadline = 0;
        emit MarginCallMet(repoId);
    }

    function _requireContext(Instruction calldata instruction, bytes32 expected) private pure {
        if (instruction.contextHash != expected) revert ContextMismatch(expected, instruction.contextHash);
    }

    function _requireConsent(Repo storage repo, Instruction calldata instruction, bytes calldata consent) private view {
        bytes32 digest = settlement.hashInstruction(instruction);
        if (!SignatureChecker.isValidSignatureNow(repo.lender, digest, consent)) revert LenderHasNotSigned(repo.lender);
    }

    function _requireOneLeg(
        Instruction calldata instruction,
        address token,
        address from,
        uint256 amount
    ) private view {
        if (instruction.legs.length != 1) revert UnexpectedLeg(instruction.legs.length);
        Leg calldata leg = instruction.legs[0];
        if (!_isLeg(leg, token, from)) revert UnexpectedLeg(0);
        if (leg.amount != amount) revert RepurchaseAmountMismatch(amount, leg.amount);
    }

    /// @dev A leg to this contract.
    function _isLeg(Leg calldata leg, address token, address from) private view returns (bool) {
        return leg.token == token && leg.from == from && leg.to == address(this);
    }

    function _refuse(bytes32 planHash) internal pure override {
        revert OnlyThroughRepoFacility(planHash);
    }
}
