using System.Runtime.InteropServices;
using Engine.Kernels;

namespace Engine.Runtime.Collectives;

/// <summary>
/// The sum of a tensor over shards, in the one order of a <see cref="ShardTree"/>: the same bits whatever number of ranks computes them.
/// Each rank adds up its own branches; then each receives a part of all branches, adds these in the tree's order, and gives the part's sum
/// to the others. In F32, on the wire too.
/// </summary>
/// <remarks>
/// Of n elements and K ranks, a rank with b branches sends <c>4 n (b + 1) (K − 1) / K</c> bytes, up to how n divides. b is 1 where the
/// number of shards is a power of two and K divides it.
/// </remarks>
internal sealed unsafe class TreeSum : IDisposable
{
    // Elements that travel together: few messages, and little memory besides.
    private const int Bucket = 1 << 22, Alignment = 16;
    private readonly Backend _backend, _meeting;
    private readonly Backend? _owned;
    private readonly Tensor _values;
    private readonly int _shards;
    private readonly Communicator? _ranks;
    private readonly Arena _sums, _scratch;
    private readonly List<(ShardRange Branch, Tensor Sum)> _own = [];
    private readonly Stack<Tensor> _free = new();
    private readonly List<Transfer> _transfers = [];
    private readonly Dictionary<ShardRange, Tensor> _meetingBranches = [];
    private readonly ShardRange[][] _branches;

    /// <summary>A sum that is begun anew for each step.</summary>
    /// <param name="backend">Where the tensor lies.</param>
    /// <param name="values">F32 [n]: holds what a shard gives, and in the end the sum.</param>
    /// <param name="shards">How many there are.</param>
    /// <param name="ranks">Who computes them; null: this process alone.</param>
    /// <exception cref="ArgumentException">There are fewer shards than ranks.</exception>
    public TreeSum(Backend backend, Tensor values, int shards, Communicator? ranks)
    {
        (_backend, _values, _shards, _ranks) = (backend, values, shards, ranks);
        int size = ranks?.Size ?? 1;
        if (shards < size)
            throw new ArgumentException($"{shards} shards are too few for {size} ranks: give as many shards, or start fewer ranks");
        _branches = new ShardRange[size][];
        for (int rank = 0; rank < size; rank++) _branches[rank] = [.. ShardTree.Branches(shards, ShardTree.Of(shards, rank, size))];
        Own = ShardTree.Of(shards, ranks?.Rank ?? 0, size);
        if (ranks is null || ranks.Reaches(backend)) _meeting = backend;
        else _meeting = _owned = CpuBackend.Create(threads: 1);
        (_sums, _scratch) = (new Arena(backend), new Arena(_meeting));
    }

    /// <summary>The shards of this rank.</summary>
    public ShardRange Own { get; }

    /// <summary>Takes what a shard has given; afterwards the tensor is 0. Shards come in order, each one once.</summary>
    public void Take(int shard)
    {
        var branch = new ShardRange(shard, shard + 1);
        while (_own.Count > 0 && ShardTree.AreHalves(_shards, _own[^1].Branch, branch))
        {
            (ShardRange left, Tensor sum) = _own[^1];
            _own.RemoveAt(_own.Count - 1);
            _backend.Run(new Add(sum, _values, _values));
            _free.Push(sum);
            branch = left with { End = branch.End };
        }

        if (branch == new ShardRange(0, _shards)) return;
        Tensor kept = _free.Count > 0 ? _free.Pop() : _sums.Rent(_values.Shape, DType.F32);
        _backend.Copy(_values, kept);
        _backend.Clear(_values);
        _own.Add((branch, kept));
    }

    /// <summary>Makes the tensor the sum over all shards, on every rank; each has taken its own.</summary>
    public void Finish()
    {
        for (long start = 0; _ranks is not null && start < _values.Count; start += Bucket)
            Meet(_ranks, start, (int)Math.Min(Bucket, _values.Count - start));
        foreach ((_, Tensor sum) in _own) _free.Push(sum);
        _own.Clear();
    }

    public void Dispose()
    {
        _sums.Dispose();
        _scratch.Dispose();
        _owned?.Dispose();
    }

    private static (int Start, int Count) Part(int count, int rank, int ranks)
    {
        int share = (((count + ranks - 1) / ranks) + Alignment - 1) / Alignment * Alignment, start = Math.Min(count, rank * share);
        return (start, Math.Min(share, count - start));
    }

    /// <summary>Adds up a stretch of the tensor over all ranks.</summary>
    private void Meet(Communicator ranks, long start, int count)
    {
        _scratch.Reset();
        Tensor values = Here(_values, start, count, fill: false);
        Dictionary<ShardRange, Tensor> branches = _meetingBranches;
        branches.Clear();
        foreach ((ShardRange branch, Tensor sum) in _own) branches[branch] = Here(sum, start, count, fill: true);
        (int at, int mine) = Part(count, ranks.Rank, ranks.Size);
        Share(ranks, branches, count, mine);
        foreach ((ShardRange branch, _) in _own) branches[branch] = branches[branch].Slice(at, new Shape(mine));
        if (mine > 0) _meeting.Copy(Sum(new ShardRange(0, _shards), branches), values.Slice(at, new Shape(mine)));
        Give(ranks, values, count);
        if (_owned is not null) _backend.Upload<float>(values.Span<float>(), _values.Slice(start, new Shape(count)));
    }

    /// <summary>Sends each rank its part of this one's branches, and receives this one's part of theirs.</summary>
    private void Share(Communicator ranks, Dictionary<ShardRange, Tensor> branches, int count, int mine)
    {
        _transfers.Clear();
        for (int rank = 0; rank < ranks.Size; rank++)
        {
            if (rank == ranks.Rank) continue;
            (int start, int length) = Part(count, rank, ranks.Size);
            if (length > 0)
                foreach ((ShardRange branch, _) in _own)
                    _transfers.Add(Transfer.Send(rank, (nint)(branches[branch].Pointer<float>() + start), length * sizeof(float)));
            if (mine == 0) continue;
            foreach (ShardRange branch in _branches[rank])
            {
                Tensor received = branches[branch] = _scratch.Rent(new Shape(mine), DType.F32);
                _transfers.Add(Transfer.Receive(rank, (nint)received.Pointer<float>(), mine * sizeof(float)));
            }
        }

        ranks.Exchange(CollectionsMarshal.AsSpan(_transfers));
    }

    /// <summary>Gives each rank this one's part of the sum, and receives theirs.</summary>
    private void Give(Communicator ranks, Tensor values, int count)
    {
        _transfers.Clear();
        (int at, int mine) = Part(count, ranks.Rank, ranks.Size);
        for (int rank = 0; rank < ranks.Size; rank++)
        {
            if (rank == ranks.Rank) continue;
            (int start, int length) = Part(count, rank, ranks.Size);
            if (mine > 0) _transfers.Add(Transfer.Send(rank, (nint)(values.Pointer<float>() + at), mine * sizeof(float)));
            if (length > 0) _transfers.Add(Transfer.Receive(rank, (nint)(values.Pointer<float>() + start), length * sizeof(float)));
        }

        ranks.Exchange(CollectionsMarshal.AsSpan(_transfers));
    }

    private Tensor Sum(ShardRange branch, Dictionary<ShardRange, Tensor> branches)
    {
        if (branches.TryGetValue(branch, out Tensor known)) return known;
        int middle = ShardTree.Middle(branch);
        Tensor left = Sum(branch with { End = middle }, branches), right = Sum(branch with { Start = middle }, branches);
        _meeting.Run(new Add(left, right, left));
        return left;
    }

    /// <summary>A stretch of a tensor where it can be exchanged.</summary>
    private Tensor Here(Tensor tensor, long start, int count, bool fill)
    {
        Tensor stretch = tensor.Slice(start, new Shape(count));
        if (_owned is null) return stretch;
        Tensor staged = _scratch.Rent(new Shape(count), DType.F32);
        if (fill) _backend.Download(stretch, staged.Span<float>());
        return staged;
    }
}
