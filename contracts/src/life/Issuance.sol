// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "../settlement/Instruction.sol";
import {PaymentWindow} from "./PaymentWindow.sol";

/// @title Issuance
/// @notice The two ends of a security: sold against payment, and redeemed at par from its maturity on.
/// @dev I10. It holds the ISSUER role on security tokens. A redemption is opened with its payment time, funded with
/// everything outstanding before anyone is paid, then pushed in batches of holders: one unit of cash for one of face.
/// A holder's free units are paid to his wallet, if it is registered: his claim may have lapsed. His frozen units are
/// redeemed into an account that is blocked here under his identity until the enforcer releases it. Units on hold wait
/// for the end of the hold.
contract Issuance is AccessManaged {
    using SafeERC20 for IERC20;

    struct Redemption {
        uint64 payableFrom;
        address payer;
        uint256 funds;
        uint256 redeemed;
    }

    /// @notice `face` units were sold for `proceeds` by `account`, in this instruction.
    event Issued(
        address indexed token,
        address indexed account,
        bytes32 indexed instructionHash,
        uint256 face,
        uint256 proceeds
    );
    event RedemptionOpened(address indexed token, uint64 payableFrom, address indexed payer);
    event RedemptionFunded(address indexed token, address indexed payer, uint256 amount);

    /// @notice `face` units were destroyed: `paid` went to the holder's wallet, `blocked` into his blocked account.
    event Redeemed(address indexed token, address indexed holder, uint256 face, uint256 paid, uint256 blocked);

    /// @notice Nothing was redeemed: the wallet is not registered, all units are on hold, or payment failed.
    event RedemptionWithheld(address indexed token, address indexed holder, uint256 face, bytes reason);

    /// @notice Nothing is outstanding any more; `surplus` went back to the payer.
    event RedemptionCompleted(address indexed token, uint256 redeemed, uint256 surplus);
    event BlockedReleased(bytes32 indexed identity, address indexed wallet, uint256 amount);

    error SecurityMatured(address token, uint64 maturity);
    error NothingToIssue(address token);
    error IssueWithoutPayment(address token);
    error IssuedFromTwoAccounts(address first, address second);
    error RedemptionAlreadyOpened(address token, uint64 payableFrom);
    error RedemptionWithoutPayer(address token);
    error RedemptionNotOpen(address token, uint64 payableFrom);
    error RedemptionOverfunded(address token, uint256 amount, uint256 missing);
    error RedemptionUnderfunded(address token, uint256 funds, uint256 outstanding);
    error NotRedemptionPayer(address token, address payer);
    error OnlyIssuance(address caller);
    error WalletNotRegistered(address wallet);
    error AllUnitsOnHold(address holder, uint256 held);
    error BlockedAmountExceeded(bytes32 identity, uint256 blocked, uint256 amount);
    error WalletOfAnotherIdentity(address wallet, bytes32 identity);
    error RedemptionOutOfGas(address holder);

    /// @notice Where securities are sold.
    Settlement public immutable settlement;

    /// @notice What redemptions are paid in.
    IERC20 public immutable cash;

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Face sold through this contract; securities registered by deposit are not in it.
    mapping(address token => uint256) public issuedOf;

    /// @notice Cash of an identity that is blocked here.
    mapping(bytes32 identity => uint256) public blockedOf;

    mapping(address token => Redemption) private _redemptions;

    constructor(
        address authority_,
        Settlement settlement_,
        IERC20 cash_,
        IIdentityRegistry identityRegistry_
    ) AccessManaged(authority_) {
        settlement = settlement_;
        cash = cash_;
        identityRegistry = identityRegistry_;
    }

    // --- issue --------------------------------------------------------------------------------------------------

    /// @notice Sells a security for the first time: creates what the instruction delivers of it, and settles.
    /// @dev Every leg of `token` must come from one account, the seller's, which signs like any giver and is paid in
    /// cash by the same instruction; the units exist there only within this transaction.
    function issue(
        SecurityToken token,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external restricted {
        if (block.timestamp >= token.maturity()) revert SecurityMatured(address(token), token.maturity());
        (address account, uint256 face, uint256 proceeds) = _sale(address(token), instruction.legs);
        issuedOf[address(token)] += face;
        token.issue(account, face);
        emit Issued(address(token), account, settlement.hashInstruction(instruction), face, proceeds);
        settlement.settle(instruction, signatures);
    }

    function _sale(
        address token,
        Leg[] calldata legs
    ) private view returns (address account, uint256 face, uint256 proceeds) {
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].token != token) continue;
            if (account == address(0)) account = legs[i].from;
            if (legs[i].from != account) revert IssuedFromTwoAccounts(account, legs[i].from);
            face += legs[i].amount;
        }
        if (face == 0) revert NothingToIssue(token);
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].token == address(cash) && legs[i].to == account) proceeds += legs[i].amount;
        }
        if (proceeds == 0) revert IssueWithoutPayment(token);
    }

    // --- redemption ---------------------------------------------------------------------------------------------

    /// @notice Sets when a security is redeemed and who pays for it, once.
    /// @param payableFrom New York midnight of the day it is paid: the maturity date or the next good settlement day.
    /// @param payer Who alone can fund it, so that nobody can take his place with a cent.
    function openRedemption(SecurityToken token, uint64 payableFrom, address payer) external restricted {
        Redemption storage redemption = _redemptions[address(token)];
        if (redemption.payableFrom != 0) revert RedemptionAlreadyOpened(address(token), redemption.payableFrom);
        if (payer == address(0)) revert RedemptionWithoutPayer(address(token));
        PaymentWindow.check(token.maturity(), payableFrom);
        (redemption.payableFrom, redemption.payer) = (payableFrom, payer);
        emit RedemptionOpened(address(token), payableFrom, payer);
    }

    /// @notice Takes cash for a redemption from its payer's allowance, at most what is missing.
    function fundRedemption(SecurityToken token, uint256 amount) external {
        Redemption storage redemption = _opened(token);
        if (redemption.payer != msg.sender) revert NotRedemptionPayer(address(token), redemption.payer);
        uint256 outstanding = token.totalSupply();
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
        if (block.timestamp < redemption.payableFrom) {
            revert RedemptionNotOpen(address(token), redemption.payableFrom);
        }
        uint256 outstanding = token.totalSupply();
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
        uint256 paid = token.availableOf(holder);
        Redemption storage redemption = _redemptions[address(token)];
        redemption.funds -= face;
        redemption.redeemed += face;
        blockedOf[identity] += face - paid;
        emit Redeemed(address(token), holder, face, paid, face - paid);
        token.redeemMatured(holder, face);
        if (paid != 0) cash.safeTransfer(holder, paid);
    }

    /// @notice Pays out of an identity's blocked account to one of its registered wallets.
    function releaseBlocked(bytes32 identity, address wallet, uint256 amount) external restricted {
        if (identity == 0 || identityRegistry.identityOf(wallet) != identity) {
            revert WalletOfAnotherIdentity(wallet, identity);
        }
        uint256 blocked = blockedOf[identity];
        if (amount > blocked) revert BlockedAmountExceeded(identity, blocked, amount);
        blockedOf[identity] = blocked - amount;
        emit BlockedReleased(identity, wallet, amount);
        cash.safeTransfer(wallet, amount);
    }

    /// @notice A security's redemption: when, by whom, what is left to pay from, and face redeemed.
    function redemptionOf(address token) external view returns (Redemption memory) {
        return _redemptions[token];
    }

    /// @dev Only units destroyed past this contract after funding leave a surplus.
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
