// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IAccountRoles, IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {IMandateBooks} from "../interfaces/IMandateGuard.sol";

/// @notice What an account asks of Settlement.
interface ISettlement {
    /// @notice Who knows which wallet stands for a recovered one.
    function identityRegistry() external view returns (IIdentityRegistry);

    /// @notice Uses up a nonce of the caller.
    function cancel(uint256 nonce) external;
}

/// @title ManagedAccount
/// @notice Holds an owner's assets, which only Settlement moves: on the manager's signature, and if the guard agrees.
/// @dev It calls no token but to withdraw, approves nothing, and signs for nobody but Settlement, which computes the
/// digest it asks about from the instruction it executes. So there is no transfer, allowance, permit, hold or batch of
/// its assets. The owner withdraws, or names another guard, by announcement, after the delay and within a week of it;
/// the manager he may change at once.
contract ManagedAccount is IManagedAccount, IAccountRoles, IERC1271, ERC165 {
    using SafeERC20 for IERC20;

    struct Withdrawal {
        address token;
        address to;
        uint256 amount;
        uint64 from;
    }

    event ManagerSet(address indexed manager);
    event OwnerFollowed(address indexed owner);
    event GuardAnnounced(address indexed guard, uint64 from);
    event GuardSet(address indexed guard);
    event WithdrawalAnnounced(uint256 indexed id, address token, address to, uint256 amount, uint64 from);
    event WithdrawalCancelled(uint256 indexed id);
    event Withdrawn(uint256 indexed id, address token, address to, uint256 amount);

    error NotOwner(address caller);
    error NotOwnerOrManager(address caller);
    error InvalidAccount(address owner, address manager, address guard, uint64 delay);
    error NothingAnnounced();
    error TooEarly(uint64 from);
    error AnnouncementLapsed(uint64 until);

    /// @notice Shortest delay.
    uint64 public constant MIN_DELAY = 1 hours;

    /// @notice Seconds after the delay within which what was announced can be done.
    uint64 public constant GRACE = 7 days;

    /// @notice The one contract that moves this account's assets, and the only one its signature is for.
    address public immutable settlement;

    /// @inheritdoc IAccountRoles
    uint64 public immutable delay;

    /// @inheritdoc IAccountRoles
    address public owner;

    /// @inheritdoc IAccountRoles
    address public manager;

    /// @inheritdoc IManagedAccount
    address public guard;

    /// @notice The guard that was announced (zero: none).
    address public nextGuard;

    /// @notice From when it can be set.
    uint64 public nextGuardFrom;

    /// @notice How many withdrawals were announced.
    uint256 public withdrawals;
    mapping(uint256 id => Withdrawal) private _withdrawals;

    constructor(address settlement_, address owner_, address manager_, address guard_, uint64 delay_) {
        if (
            owner_ == address(0) ||
            manager_ == address(0) ||
            owner_ == manager_ ||
            guard_.code.length == 0 ||
            delay_ < MIN_DELAY ||
            delay_ > 366 days
        ) revert InvalidAccount(owner_, manager_, guard_, delay_);
        (settlement, owner, delay, manager, guard) = (settlement_, owner_, delay_, manager_, guard_);
        emit ManagerSet(manager_);
        emit GuardSet(guard_);
    }

    /// @dev A lost key is no owner's, before the account has followed too.
    modifier onlyOwner() {
        if (msg.sender != owner || _successor() != owner) revert NotOwner(msg.sender);
        _;
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return
            interfaceId == type(IManagedAccount).interfaceId ||
            interfaceId == type(IERC1271).interfaceId ||
            super.supportsInterface(interfaceId);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (msg.sender != settlement) return 0xffffffff;
        (address signer, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(hash, signature);
        bool valid = failure == ECDSA.RecoverError.NoError && signer == manager;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @notice Uses up a nonce of this account, so that no instruction with it can settle any more.
    function cancel(uint256 nonce) external {
        if (msg.sender != owner && msg.sender != manager) revert NotOwnerOrManager(msg.sender);
        ISettlement(settlement).cancel(nonce);
    }

    /// @notice Names another manager, at once: signatures of the former one are void.
    function setManager(address manager_) external onlyOwner {
        if (manager_ == address(0) || manager_ == owner) revert InvalidAccount(owner, manager_, guard, delay);
        manager = manager_;
        emit ManagerSet(manager_);
    }

    /// @notice Puts the successor of a recovered owner in his place. Anyone may.
    function follow() external {
        address successor = _successor();
        if (successor == owner || successor == manager) revert InvalidAccount(successor, manager, guard, delay);
        owner = successor;
        emit OwnerFollowed(successor);
    }

    // --- by announcement ----------------------------------------------------------------------------------------

    /// @notice Announces another guard, or (zero) takes the announcement back.
    function announceGuard(address guard_) external onlyOwner {
        nextGuard = guard_;
        nextGuardFrom = uint64(block.timestamp) + delay;
        emit GuardAnnounced(guard_, nextGuardFrom);
    }

    /// @notice Puts the announced guard in place.
    function setGuard() external onlyOwner {
        if (nextGuard == address(0)) revert NothingAnnounced();
        _requireDue(nextGuardFrom);
        if (nextGuard.code.length == 0) revert InvalidAccount(owner, manager, nextGuard, delay);
        (guard, nextGuard) = (nextGuard, address(0));
        emit GuardSet(guard);
    }

    /// @notice Announces a withdrawal.
    function announceWithdrawal(address token, address to, uint256 amount) external onlyOwner returns (uint256 id) {
        id = ++withdrawals;
        uint64 from = uint64(block.timestamp) + delay;
        _withdrawals[id] = Withdrawal(token, to, amount, from);
        emit WithdrawalAnnounced(id, token, to, amount, from);
    }

    /// @notice Takes the announcement of a withdrawal back.
    function cancelWithdrawal(uint256 id) external onlyOwner {
        if (_withdrawals[id].from == 0) revert NothingAnnounced();
        delete _withdrawals[id];
        emit WithdrawalCancelled(id);
    }

    /// @notice Withdraws what was announced. The guard is told, and cannot stop it.
    function withdraw(uint256 id) external onlyOwner {
        Withdrawal memory due = _withdrawals[id];
        if (due.from == 0) revert NothingAnnounced();
        _requireDue(due.from);
        delete _withdrawals[id];
        emit Withdrawn(id, due.token, due.to, due.amount);
        IERC20(due.token).safeTransfer(due.to, due.amount);
        try IMandateBooks(guard).sync(address(this), due.token) {} catch {}
    }

    /// @notice A withdrawal that was announced and neither made nor taken back.
    function withdrawal(uint256 id) external view returns (Withdrawal memory) {
        return _withdrawals[id];
    }

    function _successor() private view returns (address) {
        return ISettlement(settlement).identityRegistry().currentWallet(owner);
    }

    function _requireDue(uint64 from) private view {
        if (block.timestamp < from) revert TooEarly(from);
        if (block.timestamp > from + GRACE) revert AnnouncementLapsed(from + GRACE);
    }
}
