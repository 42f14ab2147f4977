// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IAssetRegistry} from "../interfaces/IAssetRegistry.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Defaults} from "./Defaults.sol";
import {IndexRatio} from "./IndexRatio.sol";
import {PaymentWindow} from "./PaymentWindow.sol";

/// @title Redemptions
/// @notice The end of a security: at par, at par times an index ratio that is at least 1, or called at its call price.
/// @dev I10. A redemption is opened with its payment time and its fraction of face, funded with everything outstanding
/// before anyone is paid, then pushed in batches of holders: each is paid floor(face x fraction), and what the floors
/// leave, less than one unit a payment, goes back to the payer at the end. A holder's free units are paid to his
/// wallet, if it is registered: his claim may have lapsed. His frozen units, and all that a sanctioned holder has, are
/// redeemed into an account that is blocked here under his identity until the enforcer releases it, which he cannot
/// while it is sanctioned; of a called security they wait for its maturity, or their release. Units on hold wait for
/// the end of the hold.
abstract contract Redemptions is Defaults {
    using SafeERC20 for IERC20;

    struct Redemption {
        uint64 dueTime;
        uint64 payableFrom;
        address payer;
        uint128 numerator;
        uint128 denominator;
        uint256 funds;
        uint256 redeemed;
    }

    event DatedCpiSet(address indexed token, uint64 datedCpiE5);
    event RedemptionOpened(
        address indexed token,
        uint64 payableFrom,
        address indexed payer,
        uint256 numerator,
        uint256 denominator
    );

    /// @notice What the fraction of an indexed redemption comes from.
    event RedemptionIndexed(address indexed token, uint64 referenceCpiE5, uint64 datedCpiE5, uint64 indexRatioE5);

    /// @notice Interest stops at `callTime`; the price is per 100 face, 10^-6.
    event SecurityCalled(address indexed token, uint64 callTime, uint256 priceE6);
    event RedemptionFunded(address indexed token, address indexed payer, uint256 amount);

    /// @notice `face` units were destroyed: `paid` went to the holder's wallet, `blocked` into his blocked account.
    event Redeemed(address indexed token, address indexed holder, uint256 face, uint256 paid, uint256 blocked);

    /// @notice Nothing was redeemed: the wallet is not registered, all units are on hold, or payment failed.
    event RedemptionWithheld(address indexed token, address indexed holder, uint256 face, bytes reason);

    /// @notice Nothing is outstanding any more; `surplus` went back to the payer.
    event RedemptionCompleted(address indexed token, uint256 redeemed, uint256 surplus);
    event BlockedReleased(bytes32 indexed identity, address indexed wallet, uint256 amount);

    error DatedCpiAlreadySet(address token, uint64 datedCpiE5);
    error SecurityIndexed(address token, uint64 datedCpiE5);
    error SecurityNotIndexed(address token);
    error CallTimeOutOfRange(uint64 callTime, uint64 maturity);
    error CallPriceOutOfRange(uint256 priceE6);
    error RedemptionAlreadyOpened(address token, uint64 payableFrom);
    error RedemptionWithoutPayer(address token);
    error RedemptionNotOpen(address token, uint64 payableFrom);
    error RedemptionOverfunded(address token, uint256 amount, uint256 missing);
    error RedemptionUnderfunded(address token, uint256 funds, uint256 outstanding);
    error NotRedemptionPayer(address token, address payer);
    error OnlyIssuance(address caller);
    error WalletNotRegistered(address wallet);
    error AllUnitsOnHold(address holder, uint256 held);
    error UnitsFrozenUntilMaturity(address holder, uint256 frozen);
    error BlockedAmountExceeded(bytes32 identity, uint256 blocked, uint256 amount);
    error WalletOfAnotherIdentity(address wallet, bytes32 identity);
    error IdentitySanctioned(bytes32 identity);
    error RedemptionOutOfGas(address holder);

    /// @notice A call pays at most twice the face.
    uint256 public constant HIGHEST_CALL_PRICE_E6 = 200e6;
    uint128 private constant PAR_E6 = 100e6;

    /// @notice What redemptions are paid in.
    IERC20 public immutable cash;

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    /// @inheritdoc ISecurityLife
    mapping(address token => uint64) public datedCpiOf;

    /// @notice Cash of an identity that is blocked here.
    mapping(bytes32 identity => uint256) public blockedOf;

    mapping(address token => Redemption) private _redemptions;

    constructor(
        IERC20 cash_,
        IIdentityRegistry identityRegistry_,
        IAssetRegistry assetRegistry_
    ) Defaults(assetRegistry_) {
        cash = cash_;
        identityRegistry = identityRegistry_;
    }

    // --- opening ------------------------------------------------------------------------------------------------

    /// @notice Makes a security an indexed one, once: what it pays is its face times reference CPI over this.
    function setDatedCpi(address token, uint64 datedCpiE5) external restricted {
        IndexRatio.check(datedCpiE5);
        if (datedCpiOf[token] != 0) revert DatedCpiAlreadySet(token, datedCpiOf[token]);
        datedCpiOf[token] = datedCpiE5;
        emit DatedCpiSet(token, datedCpiE5);
    }

    /// @notice Sets when a security is redeemed at par and who pays for it, once.
    /// @param payableFrom New York midnight of the day it is paid: the maturity date or the next good settlement day.
    /// @param payer Who alone can fund it, so that nobody can take his place with a cent.
    function openRedemption(SecurityToken token, uint64 payableFrom, address payer) external restricted {
        uint64 dated = datedCpiOf[address(token)];
        if (dated != 0) revert SecurityIndexed(address(token), dated);
        _open(token, token.maturity(), payableFrom, payer, 1, 1);
    }

    /// @notice Sets the same for an indexed security: par times the index ratio of the maturity date, at least par.
    /// @param referenceCpiE5 Reference CPI of the maturity date.
    function openIndexedRedemption(
        SecurityToken token,
        uint64 payableFrom,
        address payer,
        uint64 referenceCpiE5
    ) external restricted {
        uint64 dated = datedCpiOf[address(token)];
        if (dated == 0) revert SecurityNotIndexed(address(token));
        uint64 ratio = IndexRatio.ratioE5(referenceCpiE5, dated);
        emit RedemptionIndexed(address(token), referenceCpiE5, dated, ratio);
        uint64 paid = ratio < IndexRatio.ONE ? IndexRatio.ONE : ratio;
        _open(token, token.maturity(), payableFrom, payer, paid, IndexRatio.ONE);
    }

    /// @notice Gives notice that a security is called: redeemed at a price before it matures. Interest stops then.
    /// @param callTime New York midnight of the call date: later than now, before maturity.
    /// @param priceE6 Per 100 face; the interest to the call date is a coupon of that date.
    function callSecurity(
        SecurityToken token,
        uint64 callTime,
        uint64 payableFrom,
        address payer,
        uint128 priceE6
    ) external restricted {
        uint64 dated = datedCpiOf[address(token)];
        if (dated != 0) revert SecurityIndexed(address(token), dated);
        if (callTime <= block.timestamp || callTime >= token.maturity()) {
            revert CallTimeOutOfRange(callTime, token.maturity());
        }
        if (priceE6 == 0 || priceE6 > HIGHEST_CALL_PRICE_E6) revert CallPriceOutOfRange(priceE6);
        emit SecurityCalled(address(token), callTime, priceE6);
        _open(token, callTime, payableFrom, payer, priceE6, PAR_E6);
    }

    function _open(
        SecurityToken token,
        uint64 dueTime,
        uint64 payableFrom,
        address payer,
        uint128 numerator,
        uint128 denominator
    ) private {
        _requirePerforming(address(token));
        Redemption storage redemption = _redemptions[address(token)];
        if (redemption.payableFrom != 0) revert RedemptionAlreadyOpened(address(token), redemption.payableFrom);
        if (payer == address(0)) revert RedemptionWithoutPayer(address(token));
        PaymentWindow.check(dueTime, payableFrom);
        (redemption.dueTime, redemption.payableFrom, redemption.payer) = (dueTime, payableFrom, payer);
        (redemption.numerator, redemption.denominator) = (numerator, denominator);
        emit RedemptionOpened(address(token), payableFrom, payer, numerator, denominator);
    }

    // --- paying -------------------------------------------------------------------------------------------------

    /// @notice Takes cash for a redemption from its payer's allowance, at most what is missing.
    function fundRedemption(SecurityToken token, uint256 amount) external {
        Redemption storage redemption = _opened(token);
        _requirePerforming(address(token));
        if (redemption.payer != msg.sender) revert NotRedemptionPayer(address(token), redemption.payer);
        uint256 outstanding = _cashOf(redemption, token.totalSupply());
        uint256 funds = redemption.funds + amount;
        if (funds > outstanding) {
            uint256 missing = outstanding > redemption.funds ? outstanding - redemption.funds : 0;
            revert RedemptionOverfunded(address(token), amount, missing);
        }
        redemption.funds = funds;
        emit RedemptionFunded(address(token), msg.sender, amount);
        cash.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Redeems all units of these holders that are not on hold. Anyone may call it, in any batches.
    /// @dev Each holder by himself: one who cannot be redeemed leaves no trace but `RedemptionWithheld`.
    function redeem(SecurityToken token, address[] calldata holders) external {
        Redemption storage redemption = _opened(token);
        _requirePerforming(address(token));
        if (block.timestamp < redemption.payableFrom) {
            revert RedemptionNotOpen(address(token), redemption.payableFrom);
        }
        uint256 outstanding = _cashOf(redemption, token.totalSupply());
        if (redemption.funds < outstanding) {
            revert RedemptionUnderfunded(address(token), redemption.funds, outstanding);
        }
        for (uint256 i = 0; i < holders.length; ++i) {
            uint256 balance = token.balanceOf(holders[i]);
            if (balance == 0) continue;
            try this.redeemOne(token, holders[i]) {} catch (bytes memory reason) {
                if (reason.length == 0) revert RedemptionOutOfGas(holders[i]);
                emit RedemptionWithheld(address(token), holders[i], balance, reason);
            }
        }
        if (token.totalSupply() == 0) _complete(token, redemption);
    }

    /// @notice The body of `redeem`; only this contract may call it.
    function redeemOne(SecurityToken token, address holder) external {
        if (msg.sender != address(this)) revert OnlyIssuance(msg.sender);
        bytes32 identity = identityRegistry.identityOf(holder);
        if (identity == 0) revert WalletNotRegistered(holder);
        uint256 held = token.heldOf(holder);
        uint256 face = token.balanceOf(holder) - held;
        if (face == 0) revert AllUnitsOnHold(holder, held);
        uint256 free = identityRegistry.isSanctioned(identity) ? 0 : token.availableOf(holder);
        bool matured = block.timestamp >= token.maturity();
        if (!matured) {
            if (free == 0) revert UnitsFrozenUntilMaturity(holder, face);
            face = free;
        }
        Redemption storage redemption = _redemptions[address(token)];
        uint256 amount = _cashOf(redemption, face);
        uint256 paid = _cashOf(redemption, free);
        redemption.funds -= amount;
        redemption.redeemed += face;
        blockedOf[identity] += amount - paid;
        emit Redeemed(address(token), holder, face, paid, amount - paid);
        if (matured) token.redeemMatured(holder, face);
        else token.redeem(holder, face);
        if (paid != 0) cash.safeTransfer(holder, paid);
    }

    /// @notice Pays out of an identity's blocked account to one of its registered wallets.
    function releaseBlocked(bytes32 identity, address wallet, uint256 amount) external restricted {
        if (identity == 0 || identityRegistry.identityOf(wallet) != identity) {
            revert WalletOfAnotherIdentity(wallet, identity);
        }
        if (identityRegistry.isSanctioned(identity)) revert IdentitySanctioned(identity);
        uint256 blocked = blockedOf[identity];
        if (amount > blocked) revert BlockedAmountExceeded(identity, blocked, amount);
        blockedOf[identity] = blocked - amount;
        emit BlockedReleased(identity, wallet, amount);
        cash.safeTransfer(wallet, amount);
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @notice A security's redemption: when, by whom, at what fraction of face, what is left to pay from, and face
    /// redeemed.
    function redemptionOf(address token) external view returns (Redemption memory) {
        return _redemptions[token];
    }

    /// @inheritdoc ISecurityLife
    function endOf(address token) public view returns (uint64) {
        uint64 dueTime = _redemptions[token].dueTime;
        return dueTime == 0 ? SecurityToken(token).maturity() : dueTime;
    }

    /// @inheritdoc ISecurityLife
    function redemptionCash(address token, uint256 face) external view returns (uint256) {
        Redemption storage redemption = _redemptions[token];
        return redemption.denominator == 0 ? face : _cashOf(redemption, face);
    }

    /// @dev floor(face x fraction): face has 88 bits, the numerator 128.
    function _cashOf(Redemption storage redemption, uint256 face) private view returns (uint256) {
        return (face * redemption.numerator) / redemption.denominator;
    }

    /// @dev The surplus is what the floors left, and what was paid in for units destroyed past this contract.
    function _complete(SecurityToken token, Redemption storage redemption) private {
        uint256 surplus = redemption.funds;
        redemption.funds = 0;
        emit RedemptionCompleted(address(token), redemption.redeemed, surplus);
        if (surplus != 0) cash.safeTransfer(redemption.payer, surplus);
    }

    function _opened(SecurityToken token) private view returns (Redemption storage redemption) {
        redemption = _redemptions[address(token)];
        if (redemption.payableFrom == 0) revert RedemptionNotOpen(address(token), 0);
    }
}
