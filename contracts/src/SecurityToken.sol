// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorityUtils} from "@openzeppelin/contracts/access/manager/AuthorityUtils.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Positions} from "./token/Positions.sol";
import {CloneArguments} from "./token/CloneArguments.sol";
import {Holds} from "./token/Holds.sol";
import {Bytes32Text} from "./token/Bytes32Text.sol";
import {ICompliance} from "./interfaces/ICompliance.sol";
import {IERC1404} from "./interfaces/IERC1404.sol";
import {IERC7943Fungible} from "./interfaces/IERC7943.sol";
import {ISettlementAsset} from "./interfaces/ISettlementAsset.sol";
import {RestrictionCodes} from "./RestrictionCodes.sol";

/// @title SecurityToken
/// @notice One Treasury security: units of 10^-6 dollar of original face, held by verified wallets only.
/// @dev Used through clones whose immutable arguments are abi.encode(authority, compliance, cusip, termsHash,
/// maturity). One function, `_verdict`, answers every question about a transfer and guards every transfer, so that the
/// answers and the deeds cannot differ (I3). Identity and trade-limit refusals hold for zero amounts too.
/// The RoleManager knows the restricted functions of all securities by the implementation's address: a new security
/// needs no wiring, and no role can be had on one security alone.
contract SecurityToken is
    Holds, ERC20Permit, AccessManaged, CloneArguments, ERC165, IERC7943Fungible, IERC1404, ISettlementAsset
{
    /// @dev Permit domain of every clone; signers read `eip712Domain()`, not `name()`.
    string private constant PERMIT_DOMAIN = "tbill_defi SecurityToken";

    /// @notice The authority is fixed in the clone's code.
    error AuthorityIsFixed();

    /// @notice A forced transfer takes held units only if it names their holds.
    error ForcedTransferExceedsUnheld(address account, uint256 amount, uint256 unheld);

    /// @notice The security has not matured.
    error NotMatured(uint64 maturity);

    /// @notice The registry knows no successor of this wallet.
    error WalletNotRecovered(address wallet);

    /// @notice Holds of the lost wallet were not named.
    error HoldsNotNamed(address wallet, uint256 held);

    /// @notice What `lost` had is `successor`'s: its owner lost the key.
    event Recovered(address indexed lost, address indexed successor, uint256 amount, uint256 frozen);

    /// @notice Arrays of a batch differ in length.
    error BatchLengthMismatch(uint256 recipients, uint256 amounts);

    /// @notice The one contract that may call `settlementTransfer`.
    address public immutable settlement;

    constructor(address settlement_) ERC20("", "") ERC20Permit(PERMIT_DOMAIN) AccessManaged(address(0)) {
        settlement = settlement_;
    }

    // --- the security -------------------------------------------------------------------------------------------

    /// @notice "Treasury <CUSIP>".
    function name() public view override returns (string memory) {
        return string.concat("Treasury ", cusip());
    }

    /// @notice The CUSIP.
    function symbol() public view override returns (string memory) {
        return cusip();
    }

    /// @notice 6: one unit is 10^-6 dollar of face.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice The CUSIP.
    function cusip() public view returns (string memory) {
        return Bytes32Text.toText(assetId());
    }

    /// @inheritdoc ISettlementAsset
    function assetId() public view returns (bytes32) {
        return _argument(2);
    }

    /// @notice Keccak-256 of the canonical JSON (RFC 8785) of the security's terms.
    function termsHash() external view returns (bytes32) {
        return _argument(3);
    }

    /// @notice Maturity, Unix time of its New York midnight.
    function maturity() public view returns (uint64) {
        return uint64(uint256(_argument(4)));
    }

    /// @notice The rules this security obeys.
    function compliance() public view returns (ICompliance) {
        return ICompliance(address(uint160(uint256(_argument(1)))));
    }

    /// @notice The RoleManager of this security, fixed in the clone's code.
    function authority() public view override returns (address) {
        return address(uint160(uint256(_argument(0))));
    }

    /// @notice Reverts always.
    function setAuthority(address) public pure override {
        revert AuthorityIsFixed();
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return
            interfaceId == type(IERC7943Fungible).interfaceId ||
            interfaceId == type(IERC1404).interfaceId ||
            interfaceId == type(IERC20).interfaceId ||
            super.supportsInterface(interfaceId);
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @notice Largest amount that `from` can send to `to` now, and the code of the rule that binds (0: none does).
    /// @dev Compliance and the sender's own frozen, held and total units together; the least wins.
    function largestTransfer(address from, address to) public view returns (uint256 largest, uint8 code) {
        (uint256 available, , uint256 held, uint256 frozen) = _positionOf(from);
        (largest, code) = _permitted(from, to, available);
        if (available >= largest) return (largest, code);
        if (frozen != 0) return (available, RestrictionCodes.FROZEN);
        return (available, held != 0 ? RestrictionCodes.HELD : RestrictionCodes.BALANCE);
    }

    /// @inheritdoc ISettlementAsset
    function judge(address from, address to, uint256 amount) external view returns (uint256 largest, uint8 code) {
        (largest, code) = largestTransfer(from, to);
        if (amount > largest) return (largest, code);
        (code, ) = _verdict(from, to, amount);
        if (code != RestrictionCodes.SUCCESS) (largest, ) = _permitted(from, to, amount); // no multiple
    }

    /// @inheritdoc IERC1404
    function detectTransferRestriction(address from, address to, uint256 amount) external view returns (uint8 code) {
        (code, ) = _verdict(from, to, amount);
    }

    /// @inheritdoc IERC1404
    function messageForTransferRestriction(uint8 code) external pure returns (string memory) {
        return RestrictionCodes.message(code);
    }

    /// @inheritdoc IERC7943Fungible
    function canTransfer(address from, address to, uint256 amount) external view returns (bool) {
        (uint8 code, ) = _verdict(from, to, amount);
        return code == RestrictionCodes.SUCCESS;
    }

    /// @notice Whether `account` may hold and deal: it has an identity with a valid claim.
    function canTransact(address account) public view returns (bool) {
        return compliance().isVerified(account);
    }

    /// @inheritdoc IERC7943Fungible
    function canSend(address account) external view returns (bool) {
        return canTransact(account);
    }

    /// @inheritdoc IERC7943Fungible
    function canReceive(address account) external view returns (bool) {
        return canTransact(account);
    }

    /// @inheritdoc IERC7943Fungible
    function getFrozenTokens(address account) external view returns (uint256 frozen) {
        (, , , frozen) = _positionOf(account);
    }

    // --- deeds --------------------------------------------------------------------------------------------------

    /// @notice Transfers to several recipients in order; the same as that many single transfers (I5).
    function batchTransfer(address[] calldata to, uint256[] calldata amounts) external {
        if (to.length != amounts.length) revert BatchLengthMismatch(to.length, amounts.length);
        for (uint256 i = 0; i < to.length; ++i) _transfer(msg.sender, to[i], amounts[i]);
    }

    /// @inheritdoc ISettlementAsset
    function settlementTransfer(address from, address to, uint256 amount) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        _transfer(from, to, amount);
    }

    /// @notice Delivers the caller's units to whom it held them for, in default too; every other rule of a transfer
    /// applies.
    function deliver(address to, uint256 amount) external restricted {
        _deliver(msg.sender, to, amount);
    }

    /// @notice Creates units for a verified wallet.
    function issue(address to, uint256 amount) external restricted {
        _mint(to, amount);
    }

    /// @notice Destroys available units of `from`, whose claim may have lapsed. Frozen and held units stay.
    function redeem(address from, uint256 amount) external restricted {
        _burn(from, amount);
    }

    /// @notice Destroys units of a matured security: free units of `from` first, then frozen ones; never held ones.
    /// @dev What is frozen falls by what was taken of it. Whoever calls this pays frozen units into a blocked account.
    function redeemMatured(address from, uint256 amount) external restricted {
        if (block.timestamp < maturity()) revert NotMatured(maturity());
        _takeUnheld(from, address(0), amount);
        compliance().moved(from, address(0), amount);
        super._update(from, address(0), amount);
    }

    /// @inheritdoc IERC7943Fungible
    function setFrozenTokens(address account, uint256 amount) external restricted returns (bool) {
        _setFrozen(account, amount);
        return true;
    }

    /// @inheritdoc IERC7943Fungible
    /// @dev Takes free units first, then frozen ones; never held ones.
    function forcedTransfer(address from, address to, uint256 amount) external restricted returns (bool) {
        _forceTransfer(from, to, amount);
        return true;
    }

    /// @notice Ends the named holds of `from` and then moves units as `forcedTransfer` does.
    function forcedTransferEndingHolds(address from, address to, uint256 amount, bytes32[] calldata holdIds)
        external restricted returns (bool)
    {
        _releaseHoldsOf(from, holdIds);
        _forceTransfer(from, to, amount);
        return true;
    }

    /// @notice Moves all that a lost wallet has to its successor: balance, frozen amount and held units. Anyone may.
    /// @dev The registry has said who the successor is, by two roles and after a delay. Earlier balances stay where
    /// they were. Every pending hold of the lost wallet must be named, and goes on; those in which it is recipient or
    /// notary may be. Neither limits nor a pause stand in the way.
    function recover(address lost, bytes32[] calldata holdIds) external {
        ICompliance rules = compliance();
        address successor = rules.currentWallet(lost);
        if (successor == lost) revert WalletNotRecovered(lost);
        (, uint256 balance, , uint256 frozen) = _positionOf(lost);
        if (frozen != 0) {
            (, , , uint256 already) = _positionOf(successor);
            _setFrozen(lost, 0);
            _setFrozen(successor, Math.saturatingAdd(already, frozen));
        }
        rules.moved(lost, successor, balance);
        super._update(lost, successor, balance);
        _followHolds(lost, successor, holdIds);
        if (heldOf(lost) != 0) revert HoldsNotNamed(lost, heldOf(lost));
        emit Recovered(lost, successor, balance, frozen);
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override returns (uint256) {
        return super.nonces(owner);
    }

    /// @inheritdoc Positions
    function balanceOf(address account) public view override(ERC20, Positions) returns (uint256) {
        return super.balanceOf(account);
    }

    /// @inheritdoc Positions
    function totalSupply() public view override(ERC20, Positions) returns (uint256) {
        return super.totalSupply();
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev Guards issuance, redemption and every consensual transfer. Forced transfers go past it.
    function _update(address from, address to, uint256 value) internal override(ERC20, Positions) {
        uint256 largest;
        uint8 code;
        if (from == address(0)) {
            super._update(from, to, value);
            (largest, code) = compliance().issuing(to, value);
            if (value > largest || _refusesAll(largest, code)) _refuse(code, from, to, value, 0);
        } else if (to == address(0)) {
            _requireAvailable(from, value);
            compliance().moved(from, to, value);
            super._update(from, to, value);
        } else {
            (largest, code) = compliance().transferring(from, to, value);
            _pass(largest, code, from, to, value);
        }
    }

    function _deliver(address from, address to, uint256 amount) internal override {
        (uint256 largest, uint8 code) = compliance().delivering(from, to, amount);
        _pass(largest, code, from, to, amount);
    }

    /// @dev Moves what the rules let pass, or reverts with the reason.
    function _pass(uint256 largest, uint8 code, address from, address to, uint256 amount) private {
        if (amount <= largest && !_refusesAll(largest, code) && _shift(from, to, amount)) return;
        uint256 available;
        (code, available) = _judge(largest, code, from, amount);
        _refuse(code, from, to, amount, available);
    }

    /// @dev Code of the rule that refuses, or SUCCESS, and the sender's available units.
    function _verdict(address from, address to, uint256 amount) private view returns (uint8 code, uint256 available) {
        uint256 largest;
        (largest, code) = _permitted(from, to, amount);
        return _judge(largest, code, from, amount);
    }

    /// @dev What the rules let pass of an amount.
    function _permitted(address from, address to, uint256 amount) private view returns (uint256, uint8) {
        return compliance().permitted(address(this), from, to, amount);
    }

    /// @dev The rules' answer and the sender's own units together.
    function _judge(uint256 largest, uint8 code, address from, uint256 amount)
        private view returns (uint8, uint256 available)
    {
        if (_refusesAll(largest, code)) return (code, 0);
        uint256 balance;
        uint256 held;
        (available, balance, held, ) = _positionOf(from);
        if (amount <= largest && amount <= available) return (RestrictionCodes.SUCCESS, available);
        if (largest <= available) return (code, available);
        if (amount > balance) return (RestrictionCodes.BALANCE, available);
        return (amount > balance - held ? RestrictionCodes.HELD : RestrictionCodes.FROZEN, available);
    }

    /// @dev A rule that leaves nothing refuses zero amounts too.
    function _refusesAll(uint256 largest, uint8 code) private pure returns (bool) {
        return largest == 0 && code != RestrictionCodes.SUCCESS;
    }

    function _refuse(uint8 code, address from, address to, uint256 amount, uint256 available) private view {
        if (RestrictionCodes.isOfSender(code)) revert ERC7943CannotSend(from);
        if (RestrictionCodes.isOfRecipient(code)) revert ERC7943CannotReceive(to);
        if (code == RestrictionCodes.BALANCE) revert ERC20InsufficientBalance(from, balanceOf(from), amount);
        if (code == RestrictionCodes.FROZEN || code == RestrictionCodes.HELD) {
            revert ERC7943InsufficientUnfrozenBalance(from, amount, available);
        }
        revert ERC7943CannotTransfer(from, to, amount);
    }

    function _requireAvailable(address account, uint256 amount) internal view override {
        (uint256 available, uint256 balance, , ) = _positionOf(account);
        if (amount <= available) return;
        if (amount > balance) revert ERC20InsufficientBalance(account, balance, amount);
        revert ERC7943InsufficientUnfrozenBalance(account, amount, available);
    }

    function _forceTransfer(address from, address to, uint256 amount) private {
        if (from == address(0)) revert ERC20InvalidSender(from);
        if (!canTransact(to)) revert ERC7943CannotReceive(to);
        _takeUnheld(from, to, amount);
        compliance().moved(from, to, amount);
        super._update(from, to, amount);
        emit ForcedTransfer(from, to, amount);
    }

    /// @dev Frozen falls by what is taken of it, before the transfer's event (ERC-7943); a self-transfer takes
    /// nothing (I4).
    function _takeUnheld(address from, address to, uint256 amount) private {
        (uint256 free, uint256 balance, uint256 held, uint256 frozen) = _positionOf(from);
        if (amount > balance) revert ERC20InsufficientBalance(from, balance, amount);
        if (amount > balance - held) revert ForcedTransferExceedsUnheld(from, amount, balance - held);
        if (amount > free && from != to) _setFrozen(from, frozen - (amount - free));
    }

    /// @dev Asks about the implementation, on which the map of roles stands. No role acts with a delay here.
    function _checkCanCall(address caller, bytes calldata data) internal view override {
        (bool immediate, ) =
            AuthorityUtils.canCallWithDelay(authority(), caller, _sharedImplementation(), bytes4(data[0:4]));
        if (!immediate) revert AccessManagedUnauthorized(caller);
    }

    function _reportRehold(Hold memory old, address holder, address to) internal override {
        compliance().rehold(old.holder, old.to, holder, to, old.amount);
    }

    function _reportHold(address from, address to, uint256 amount, bool begins) internal override {
        if (begins) compliance().holding(from, to, amount);
        else compliance().unholding(from, to, amount);
    }

    function _setFrozen(address account, uint256 amount) private {
        _setFrozenAmount(account, amount);
        emit Frozen(account, amount);
    }
}
