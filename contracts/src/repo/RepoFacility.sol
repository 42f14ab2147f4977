// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {CouponPayer} from "../life/CouponPayer.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "../settlement/Instruction.sol";
import {Custody} from "./Custody.sol";
import {MarginRule, RepoHash, RepoTerms} from "./RepoTerms.sol";

/// @title RepoFacility
/// @notice Term repo at a fixed rate: cash against collateral, both really moved, collateral held here to the end.
/// @dev I11. Title to the collateral is the lender's while the repo runs; this contract holds it for him, so that it
/// cannot be delivered elsewhere. The borrower has the claim to get it back against the repurchase price, and its
/// coupons meanwhile. On default the lender takes it at the mark.
///
/// Every movement from a party is an Instruction that the party signed, with what is done as its contextHash; what
/// needs the lender's consent carries his signature over the same Instruction. Collateral leaves by this contract's own
/// transfer in the same transaction.
///
/// Exposure = outstanding cash + interest; interest = sum over intervals of outstanding cash x rate x days / 360, exact
/// until it is read, then rounded half up to a unit, once. Collateral is valued at the oracle's dirty price (at par
/// from its maturity on); what can be lent on it is rounded down, against the borrower.
///
/// Days are those between New York midnights. Acts name the one that begins today (`asOf`), for contracts know no time
/// zone: it must be within the last 24 hours and a whole number of days from the start, give or take a clock change.
contract RepoFacility is Custody, ReentrancyGuardTransient {
    enum Status {
        None,
        Open,
        Repurchased,
        ClosedOut
    }

    struct Repo {
        address lender;
        uint64 rateE9;
        uint32 acts;
        address borrower;
        uint64 marginE9;
        MarginRule marginRule;
        Status status;
        SecurityToken token;
        uint64 start;
        uint32 callSeconds;
        uint64 end;
        uint64 accruedTo;
        uint64 callDeadline;
        uint256 face;
        uint256 principal;
        uint256 accruedE9Days;
        uint256 shortfall;
    }

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
    error RepoNotOpen(bytes32 repoId, Status status);
    error InvalidRepoTerms(bytes32 repoId);
    error ContextMismatch(bytes32 expected, bytes32 given);
    error UnexpectedLeg(uint256 leg);
    error CollateralIneligible(address token, uint64 maturity, uint64 end);
    error CollateralShort(uint256 lendable, uint256 exposure);
    error NotToday(uint64 asOf);
    error NotLender(address caller, address lender);
    error LenderHasNotSigned(address lender);
    error CashNotCalled(uint256 cash, uint256 deficit);
    error RepurchaseAmountMismatch(uint256 expected, uint256 given);
    error RepurchaseExceedsRepo(uint256 principal, uint256 face);
    error NotInDefault(bytes32 repoId, uint64 callDeadline, uint64 end);

    /// @notice Longest repo, in days.
    uint256 public constant LONGEST_DAYS = 731;

    uint256 private constant E9 = 1e9;
    uint256 private constant PAR_E6 = 100e6;
    uint256 private constant PRICE_UNIT = 1e8;
    uint256 private constant YEAR_E9 = 360e9;

    /// @notice Where parties' assets move.
    Settlement public immutable settlement;

    /// @notice Who knows prices.
    IPriceOracle public immutable oracle;

    mapping(bytes32 repoId => Repo) private _repos;

    constructor(
        Settlement settlement_,
        IERC20 cash_,
        CouponPayer couponPayer_,
        IPriceOracle oracle_
    ) Custody(cash_, couponPayer_) {
        settlement = settlement_;
        oracle = oracle_;
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @notice Name of a repo with these terms, and the contextHash of its opening.
    function hashTerms(RepoTerms calldata terms) public pure returns (bytes32) {
        return RepoHash.ofTerms(terms);
    }

    /// @notice A repo as it stands.
    function repoOf(bytes32 repoId) external view returns (Repo memory) {
        return _repos[repoId];
    }

    /// @notice Outstanding cash and interest at a New York midnight that is not before the last change.
    function exposureOf(bytes32 repoId, uint64 asOf) public view returns (uint256 principal, uint256 interest) {
        Repo storage repo = _repos[repoId];
        principal = repo.principal;
        interest = _interest(repo, asOf);
    }

    /// @notice Mark, exposure, and what can be lent on the collateral. Reverts if the price is missing or stale.
    function coverageOf(
        bytes32 repoId,
        uint64 asOf
    ) public view returns (uint256 priceE6, uint256 exposure, uint256 lendable) {
        Repo storage repo = _opened(repoId);
        priceE6 = _priceOf(repo.token);
        exposure = repo.principal + _interest(repo, asOf);
        lendable = _lendable(repo, repo.face, priceE6);
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
            bool paid = _isLeg(leg, address(cash), terms.lender, terms.borrower) && leg.amount == terms.cash;
            bool delivered = _isLeg(leg, terms.token, terms.borrower, address(this)) && leg.amount == terms.face;
            if (!paid && !delivered) revert UnexpectedLeg(i);
        }
        _record(repo, terms);
        _requireCovered(repo, _eligiblePrice(repo.token, terms.end), terms.start);
        _setHeld(repoId, repo.token, terms.face);
        emit RepoOpened(repoId, terms.lender, terms.borrower, terms);
        settlement.settle(instruction, signatures);
    }

    // --- margin -------------------------------------------------------------------------------------------------

    /// @notice Marks a repo to market. Calls margin if the collateral is short, ends a call if it is not. Anyone may.
    /// @dev A call that is open keeps its deadline.
    function mark(bytes32 repoId, uint64 asOf) external nonReentrant {
        Repo storage repo = _opened(repoId);
        _requireToday(repo, asOf);
        (uint256 priceE6, uint256 exposure, uint256 lendable) = coverageOf(repoId, asOf);
        emit RepoMarked(repoId, priceE6, exposure, lendable);
        if (lendable >= exposure) {
            _endCall(repoId, repo);
        } else {
            if (repo.callDeadline == 0) repo.callDeadline = uint64(block.timestamp) + repo.callSeconds;
            emit MarginCalled(repoId, exposure - lendable, repo.callDeadline);
        }
    }

    /// @notice Takes margin from the borrower: more of the collateral, and, while margin is called, cash.
    /// @dev Cash goes to the lender and reduces what is outstanding; at most the deficit. The call ends if it is met.
    /// @param instruction The borrower's: collateral to this contract and cash to the lender, one or both.
    function deliverMargin(
        bytes32 repoId,
        uint64 asOf,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external nonReentrant {
        Repo storage repo = _opened(repoId);
        _requireToday(repo, asOf);
        _requireContext(instruction, RepoHash.ofMargin(repoId, repo.acts++, asOf));
        (uint256 priceE6, uint256 exposure, uint256 lendable) = coverageOf(repoId, asOf);
        uint256 face = 0;
        uint256 paid = 0;
        for (uint256 i = 0; i < instruction.legs.length; ++i) {
            Leg calldata leg = instruction.legs[i];
            if (_isLeg(leg, address(repo.token), repo.borrower, address(this))) face += leg.amount;
            else if (_isLeg(leg, address(cash), repo.borrower, repo.lender)) paid += leg.amount;
            else revert UnexpectedLeg(i);
        }
        if (face != 0) {
            _eligiblePrice(repo.token, uint64(block.timestamp));
            _changeFace(repoId, repo, repo.face + face);
        }
        if (paid != 0) {
            uint256 deficit = exposure > lendable ? exposure - lendable : 0;
            if (repo.callDeadline == 0 || paid > deficit || paid > repo.principal) revert CashNotCalled(paid, deficit);
            _accrue(repo, asOf);
            repo.principal -= paid;
        }
        emit MarginDelivered(repoId, face, paid);
        if (_lendable(repo, repo.face, priceE6) >= repo.principal + _interest(repo, asOf)) _endCall(repoId, repo);
        settlement.settle(instruction, signatures);
    }

    /// @notice Gives the borrower collateral back that is not needed; the lender's to do.
    function releaseCollateral(bytes32 repoId, uint64 asOf, uint256 face) external nonReentrant {
        Repo storage repo = _opened(repoId);
        _requireToday(repo, asOf);
        if (msg.sender != repo.lender) revert NotLender(msg.sender, repo.lender);
        if (face == 0 || face > repo.face) revert RepurchaseExceedsRepo(0, face);
        _changeFace(repoId, repo, repo.face - face);
        _requireCovered(repo, _priceOf(repo.token), asOf);
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
        Repo storage repo = _opened(repoId);
        _requireToday(repo, asOf);
        _requireContext(instruction, RepoHash.ofSubstitution(repoId, repo.acts++, asOf, address(token), face));
        _requireConsent(repo, instruction, consent);
        _requireOneLeg(instruction, address(token), repo.borrower, address(this), face);
        (SecurityToken oldToken, uint256 oldFace) = (repo.token, repo.face);
        _setHeld(repoId, oldToken, 0);
        repo.token = token;
        _changeFace(repoId, repo, face);
        _requireCovered(repo, _eligiblePrice(token, repo.end), asOf);
        _endCall(repoId, repo);
        emit CollateralSubstituted(repoId, address(oldToken), oldFace, address(token), face);
        settlement.settle(instruction, signatures);
        _deliver(oldToken, repo.borrower, oldFace);
    }

    // --- the end ------------------------------------------------------------------------------------------------

    /// @notice Repurchases all or a part: the borrower pays, and gets collateral back in the same transaction.
    /// @dev All of it, from the repurchase date on, is the borrower's right; earlier, or a part, takes the lender's
    /// consent. All is outstanding cash and interest against all collateral; a part is principal only, its interest so
    /// far stays due, and what remains must be covered.
    /// @param instruction The borrower's: cash to the lender.
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
        Repo storage repo = _opened(repoId);
        _requireToday(repo, asOf);
        _requireContext(instruction, RepoHash.ofRepurchase(repoId, repo.acts++, asOf, principal, face));
        bool all = principal == repo.principal;
        if (principal > repo.principal || face > repo.face || (all && face != repo.face)) {
            revert RepurchaseExceedsRepo(principal, face);
        }
        if (!all || asOf < repo.end) _requireConsent(repo, instruction, consent);
        _accrue(repo, asOf);
        uint256 interest = all ? _interest(repo, asOf) : 0;
        _requireOneLeg(instruction, address(cash), repo.borrower, repo.lender, principal + interest);
        repo.principal -= principal;
        _changeFace(repoId, repo, repo.face - face);
        if (all) {
            repo.status = Status.Repurchased;
            repo.callDeadline = 0;
            emit Repurchased(repoId, principal, interest);
        } else {
            _requireCovered(repo, _priceOf(repo.token), asOf);
            _endCall(repoId, repo);
            emit PartlyRepurchased(repoId, principal, face);
        }
        settlement.settle(instruction, signatures);
        _deliver(repo.token, repo.borrower, face);
    }

    /// @notice Closes out a repo in default: margin not met by its deadline, or not repurchased on its date.
    /// @dev The lender's to do. He takes collateral for the debt at the mark, without margin, rounded up to a unit; the
    /// rest goes back to the borrower. If all of it is not enough, the rest of the debt is recorded.
    function closeOut(bytes32 repoId, uint64 asOf) external nonReentrant {
        Repo storage repo = _opened(repoId);
        _requireToday(repo, asOf);
        if (msg.sender != repo.lender) revert NotLender(msg.sender, repo.lender);
        (uint256 priceE6, uint256 debt, uint256 lendable) = coverageOf(repoId, asOf);
        bool unmet = repo.callDeadline != 0 && block.timestamp > repo.callDeadline && lendable < debt;
        if (!unmet && block.timestamp < uint256(repo.end) + 1 days) {
            revert NotInDefault(repoId, repo.callDeadline, repo.end);
        }
        uint256 face = repo.face;
        uint256 taken = Math.min(face, Math.ceilDiv(debt * PRICE_UNIT, priceE6));
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

    /// @dev A repo's coupons are its borrower's.
    function _beneficiaryOf(bytes32 account) internal view override returns (address) {
        address borrower = _repos[account].borrower;
        return borrower == address(0) ? address(uint160(uint256(account))) : borrower;
    }

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

    /// @dev Collateral has a fresh price and matures after the repo's end.
    function _eligiblePrice(SecurityToken token, uint64 end) private view returns (uint256 priceE6) {
        (priceE6, ) = oracle.dirtyPrice(settlement.assetRegistry().assetIdOf(address(token)));
        uint64 maturity = token.maturity();
        if (maturity <= end) revert CollateralIneligible(address(token), maturity, end);
    }

    function _priceOf(SecurityToken token) private view returns (uint256 priceE6) {
        if (block.timestamp >= token.maturity()) return PAR_E6;
        (priceE6, ) = oracle.dirtyPrice(token.assetId());
    }

    function _requireCovered(Repo storage repo, uint256 priceE6, uint64 asOf) private view {
        uint256 exposure = repo.principal + _interest(repo, asOf);
        uint256 lendable = _lendable(repo, repo.face, priceE6);
        if (lendable < exposure) revert CollateralShort(lendable, exposure);
    }

    /// @dev Market value (face x price / 100) after the repo's own margin rule, rounded down once.
    function _lendable(Repo storage repo, uint256 face, uint256 priceE6) private view returns (uint256) {
        if (repo.marginRule == MarginRule.Haircut) {
            return Math.mulDiv(face * priceE6, E9 - repo.marginE9, PRICE_UNIT * E9);
        }
        return Math.mulDiv(face * priceE6, E9, PRICE_UNIT * repo.marginE9);
    }

    function _interest(Repo storage repo, uint64 asOf) private view returns (uint256) {
        uint256 numerator = repo.accruedE9Days + repo.principal * repo.rateE9 * _days(repo.accruedTo, asOf);
        return (numerator + YEAR_E9 / 2) / YEAR_E9;
    }

    /// @dev An interval ends: what is outstanding changes.
    function _accrue(Repo storage repo, uint64 asOf) private {
        repo.accruedE9Days += repo.principal * repo.rateE9 * _days(repo.accruedTo, asOf);
        repo.accruedTo = asOf;
    }

    function _changeFace(bytes32 repoId, Repo storage repo, uint256 face) private {
        repo.face = face;
        _setHeld(repoId, repo.token, face);
    }

    function _endCall(bytes32 repoId, Repo storage repo) private {
        if (repo.callDeadline == 0) return;
        repo.callDeadline = 0;
        emit MarginCallMet(repoId);
    }

    function _opened(bytes32 repoId) private view returns (Repo storage repo) {
        repo = _repos[repoId];
        if (repo.status != Status.Open) revert RepoNotOpen(repoId, repo.status);
    }

    function _requireToday(Repo storage repo, uint64 asOf) private view {
        bool today = asOf <= block.timestamp && block.timestamp - asOf < 1 days;
        if (!today || asOf < repo.accruedTo || !_wholeDays(repo.start, asOf)) revert NotToday(asOf);
    }

    /// @dev Calendar days between two New York midnights, which are an hour off whole days across a clock change.
    function _days(uint64 first, uint64 last) private pure returns (uint256) {
        return (uint256(last) - first + 12 hours) / 1 days;
    }

    function _wholeDays(uint64 first, uint64 last) private pure returns (bool) {
        return (uint256(last) - first + 1 hours) % 1 days <= 2 hours;
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
        address to,
        uint256 amount
    ) private pure {
        if (instruction.legs.length != 1) revert UnexpectedLeg(instruction.legs.length);
        Leg calldata leg = instruction.legs[0];
        if (!_isLeg(leg, token, from, to)) revert UnexpectedLeg(0);
        if (leg.amount != amount) revert RepurchaseAmountMismatch(amount, leg.amount);
    }

    function _isLeg(Leg calldata leg, address token, address from, address to) private pure returns (bool) {
        return leg.token == token && leg.from == from && leg.to == to;
    }
}
