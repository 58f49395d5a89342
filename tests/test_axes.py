"""Folds and sums of the replica axis, and the bits they keep."""

from __future__ import annotations

import pytest
import torch

from pgx.axes import (
    BLOCK,
    LANES,
    check_shape,
    padded,
    replica_rows,
    replica_sum,
    rollout_sum,
    time_blocks,
    time_rows,
)

T, R, N, D = 7, 3, 5, 4


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("size", "multiple", "wanted"),
    [(1, 64, 64), (64, 64, 64), (65, 64, 128), (0, 64, 0), (7, 5, 10)],
)
def test_padded(size, multiple, wanted):
    assert padded(size, multiple) == wanted


def test_check_shape():
    check_shape("x", torch.zeros(T, R), (T, R))
    with pytest.raises(ValueError, match=r"x has shape \(7, 3\), expected \(3, 7\)"):
        check_shape("x", torch.zeros(T, R), (R, T))


@pytest.mark.parametrize("replicas", [1, R])
def test_rows_keep_every_replica_apart_in_order_of_time(replicas):
    tensor = numbers(T, replicas, N, D)
    rows = replica_rows(tensor)
    assert rows.shape == (replicas, LANES, D)
    for r in range(replicas):
        for t in range(T):
            for n in range(N):
                assert torch.equal(rows[r, t * N + n], tensor[t, r, n])
    assert (rows[:, T * N :] == 0).all()
    assert torch.equal(time_rows(rows, T, N), tensor)


def test_rows_of_real_storage_are_no_copy():
    storage = numbers(R, 32, 2, D)
    rows = replica_rows(storage.transpose(0, 1))
    assert rows.data_ptr() == storage.data_ptr() and rows.shape == (R, 64, D)


def test_complete_episodes_come_in_fixed_blocks():
    assert list(time_blocks(2 * BLOCK, complete=True)) == [slice(0, 64), slice(64, 128)]
    assert list(time_blocks(T, complete=True)) == [slice(0, 64)]
    assert list(time_blocks(200, complete=False)) == [slice(0, 200)]


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("replicas", [1, R])
def test_sums_are_per_replica(complete, replicas):
    tensor = numbers(2 * BLOCK + T, replicas, N)
    wanted = tensor.double().sum(2).sum(0)
    torch.testing.assert_close(rollout_sum(tensor, complete).double(), wanted, rtol=1e-5, atol=1e-4)
    rows = replica_rows(tensor)
    torch.testing.assert_close(replica_sum(rows).double(), wanted, rtol=1e-5, atol=1e-4)


def test_a_hand_sum():
    tensor = torch.arange(6.0).reshape(2, 3, 1)
    assert rollout_sum(tensor, complete=True).tolist() == [3.0, 5.0, 7.0]
    assert rollout_sum(tensor, complete=False).tolist() == [3.0, 5.0, 7.0]


@pytest.mark.parametrize("steps", [1, BLOCK, 3 * BLOCK])
def test_rows_of_zeros_change_no_bit_of_complete_episodes(steps):
    tensor = numbers(BLOCK, R, N) * 1e3
    longer = torch.cat([tensor, torch.zeros(steps, R, N)])
    assert torch.equal(rollout_sum(tensor, True), rollout_sum(longer, True))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("complete", [False, True])
def test_a_replica_alone_sums_to_the_same_bits(threads, complete):
    many = 17
    tensor = numbers(many, 300, N).transpose(0, 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        among = rollout_sum(tensor, complete)
        torch.set_num_threads(1)
        for r in range(many):
            alone = tensor[:, r : r + 1].contiguous()
            assert torch.equal(rollout_sum(alone, complete)[0], among[r])
    finally:
        torch.set_num_threads(before)


def test_threads_do_not_split_a_lone_replicas_sum():
    rows, before = numbers(8, 1, 1001 * LANES), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(torch.cat([replica_sum(one) for one in rows]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_nan_stays_in_its_replica():
    tensor = numbers(T, R, N)
    clean = rollout_sum(tensor, True)
    tensor[2, 1, 3] = torch.nan
    found = rollout_sum(tensor, True)
    assert found[1].isnan() and torch.equal(found[[0, 2]], clean[[0, 2]])
