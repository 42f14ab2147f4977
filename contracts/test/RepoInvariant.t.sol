// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MarginRule, RepoTerms} from "src/repo/RepoTerms.sol";
import {RepoBook} from "src/repo/RepoBook.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {RepoDesk} from "./base/RepoDesk.sol";

/// @notice Lives of repos in any order of acts, against books of its own. It is the desk and the handler in one, so that
/// it signs for both parties.
contract RepoInvariantTest is RepoDesk {
    bytes32[] private _ids;
    mapping(bytes32 => uint256) private _sumE9;
    mapping(bytes32 => uint256) private _outstanding;
    mapping(bytes32 => uint64) private _since;
    mapping(bytes32 => uint256) private _rate;
    uint256 private _shortWithoutCall;
    uint256 private _wrongInterest;
    uint256 private _termsChanged;

    function setUp() public override {
        super.setUp();
        targetContract(address(this));
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory names = new bytes4[](10);
        names[0] = this.doOpen.selector;
        names[1] = this.doMove.selector;
        names[2] = this.doMark.selector;
        names[3] = this.doMargin.selector;
        names[4] = this.doCash.selector;
        names[5] = this.doSubstitute.selector;
        names[6] = this.doPart.selector;
        names[7] = this.doRepurchase.selector;
        names[8] = this.doCloseOut.selector;
        names[9] = this.doPass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(this), names);
    }

    // --- acts ---------------------------------------------------------------------------------------------------

    function doOpen(uint64 face, uint64 rate, uint64 margin, bool ratio, uint8 term) external {
        if (_ids.length > 5) return;
        RepoTerms memory terms = standard(_ids.length);
        terms.face = between(face, 1e6, STOCK / 20);
        terms.rateE9 = uint64(between(rate, 0, 1e8));
        terms.marginRule = ratio ? MarginRule.MarginRatio : MarginRule.Haircut;
        terms.marginE9 = uint64(ratio ? between(margin, 1e9, 1.2e9) : between(margin, 0, 0.2e9));
        terms.end = terms.start + uint64(between(term, 1, 60)) * 1 days;
        uint256 value = (terms.face * oracle.prices(FIRST)) / 1e8;
        terms.cash = ratio ? (value * 1e9) / terms.marginE9 : (value * (1e9 - terms.marginE9)) / 1e9;
        if (terms.cash > usd.balanceOf(bob) || terms.face > first.balanceOf(alice)) return;
        bytes32 id = open(terms);
        _ids.push(id);
        (_outstanding[id], _since[id], _rate[id]) = (terms.cash, terms.start, terms.rateE9);
    }

    function doMove(uint64 firstPrice, uint64 secondPrice) external {
        oracle.set(FIRST, between(firstPrice, 90e6, 110e6));
        oracle.set(SECOND, between(secondPrice, 90e6, 110e6));
    }

    function doMark(uint8 which) external {
        (bytes32 id, bool open_) = _pick(which);
        if (!open_) return;
        facility.mark(id, today());
        (, uint256 exposure, uint256 lendable) = facility.coverageOf(id, today());
        bool called = facility.repoOf(id).callDeadline != 0;
        if ((lendable < exposure) != called) ++_shortWithoutCall;
    }

    function doMargin(uint8 which, uint64 face) external {
        (bytes32 id, bool open_) = _pick(which);
        SecurityToken token = facility.repoOf(id).token;
        if (!open_ || token.balanceOf(alice) == 0) return;
        deliver(id, address(token), between(face, 1, token.balanceOf(alice) / 10 + 1));
    }

    function doCash(uint8 which, uint64 seed) external {
        (bytes32 id, bool open_) = _pick(which);
        if (!open_ || facility.repoOf(id).callDeadline == 0) return;
        (, uint256 exposure, uint256 lendable) = facility.coverageOf(id, today());
        if (exposure <= lendable || exposure - lendable > _outstanding[id]) return;
        uint256 amount = seed % 2 == 0 ? exposure - lendable : between(seed, 1, exposure - lendable);
        if (amount > usd.balanceOf(alice)) return;
        deliver(id, address(usd), amount);
        _interval(id, amount);
        if (seed % 2 == 0 && facility.repoOf(id).callDeadline != 0) ++_shortWithoutCall; // it was met
    }

    function doSubstitute(uint8 which, uint64 more) external {
        (bytes32 id, bool open_) = _pick(which);
        if (!open_) return;
        RepoBook.Repo memory repo = facility.repoOf(id);
        if (block.timestamp >= repo.end) return;
        (, uint256 exposure, ) = facility.coverageOf(id, today());
        SecurityToken token = address(repo.token) == address(first) ? second : first;
        uint256 face = (exposure * 3) / 2 + more % 1e9;
        if (face > token.balanceOf(alice)) return;
        substitute(id, token, face);
        RepoBook.Repo memory after_ = facility.repoOf(id);
        bool kept = after_.principal == repo.principal && after_.rateE9 == repo.rateE9 && after_.end == repo.end;
        if (!kept) ++_termsChanged;
    }

    function doPart(uint8 which, uint64 seed) external {
        (bytes32 id, bool open_) = _pick(which);
        if (!open_) return;
        (, uint256 exposure, uint256 lendable) = facility.coverageOf(id, today());
        uint256 part = between(seed, 1, _outstanding[id] / 2 + 1);
        if (part >= _outstanding[id] || lendable < exposure || part > usd.balanceOf(alice)) return;
        repurchase(id, part, 0, part, true);
        _interval(id, part);
    }

    function doRepurchase(uint8 which) external {
        (bytes32 id, bool open_) = _pick(which);
        if (!open_) return;
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        if (principal + interest > usd.balanceOf(alice) || principal + interest == 0) return;
        uint256 before = usd.balanceOf(bob);
        repurchaseAll(id, block.timestamp < facility.repoOf(id).end);
        if (usd.balanceOf(bob) - before != principal + _expected(id)) ++_wrongInterest;
        _interval(id, principal);
    }

    function doCloseOut(uint8 which) external {
        (bytes32 id, bool open_) = _pick(which);
        if (!open_) return;
        vm.prank(bob);
        try facility.closeOut(id, today()) {
            _interval(id, 0);
        } catch {}
    }

    function doPass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 0, 9 days));
    }

    // --- what must hold -----------------------------------------------------------------------------------------

    /// @notice I11: interest is the sum over intervals of outstanding cash x rate x days / 360.
    function invariant_I11_interest() public view {
        assertEq(_wrongInterest, 0, "I11: paid");
        for (uint256 i = 0; i < _ids.length; ++i) {
            RepoBook.Repo memory repo = facility.repoOf(_ids[i]);
            if (repo.status != RepoBook.Status.Open) continue;
            (uint256 principal, uint256 interest) = facility.exposureOf(_ids[i], today());
            assertEq(principal, _outstanding[_ids[i]], "I11: outstanding");
            assertEq(interest, _expected(_ids[i]), "I11: interest");
        }
    }

    /// @notice I11: at a mark, collateral is short if and only if margin is called.
    function invariant_I11_never_short_without_a_call() public view {
        assertEq(_shortWithoutCall, 0, "I11: covered or called");
    }

    /// @notice I11: substitution keeps cash, rate and end.
    function invariant_I11_substitution_keeps_the_rest() public view {
        assertEq(_termsChanged, 0, "I11: substitution");
    }

    /// @notice Nothing is made or lost: all cash is the parties', all collateral theirs or held, repo by repo.
    function invariant_I11_everything_is_conserved() public view {
        assertEq(usd.balanceOf(alice) + usd.balanceOf(bob), 2 * STOCK + 1_000_000, "cash");
        SecurityToken[2] memory tokens = [first, second];
        for (uint256 t = 0; t < 2; ++t) {
            uint256 held = 0;
            for (uint256 i = 0; i < _ids.length; ++i) held += facility.heldFor(_ids[i], tokens[t]);
            assertEq(tokens[t].balanceOf(address(facility)), held, "held for repos");
            assertEq(tokens[t].balanceOf(alice) + tokens[t].balanceOf(bob) + held, STOCK, "collateral");
        }
        for (uint256 i = 0; i < _ids.length; ++i) {
            RepoBook.Repo memory repo = facility.repoOf(_ids[i]);
            assertEq(facility.heldFor(_ids[i], repo.token), repo.face, "face of the repo");
            if (repo.status != RepoBook.Status.Open) assertEq(repo.face, 0, "over");
        }
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _pick(uint8 which) private view returns (bytes32 id, bool open_) {
        if (_ids.length == 0) return (0, false);
        id = _ids[which % _ids.length];
        open_ = facility.repoOf(id).status == RepoBook.Status.Open;
    }

    function _interval(bytes32 id, uint256 repaid) private {
        _sumE9[id] += (_outstanding[id] * _rate[id] * (today() - _since[id])) / 1 days;
        _since[id] = today();
        _outstanding[id] -= repaid;
    }

    function _expected(bytes32 id) private view returns (uint256) {
        uint256 sum = _sumE9[id] + (_outstanding[id] * _rate[id] * (today() - _since[id])) / 1 days;
        return (sum + 180e9) / 360e9;
    }
}
