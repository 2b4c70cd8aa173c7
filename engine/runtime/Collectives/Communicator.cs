using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Engine.Runtime.Cuda;

namespace Engine.Runtime.Collectives;

/// <summary>
/// The processes that compute together, each of which is a rank, and what they exchange. Every rank calls the same operations in the same
/// order, on one thread at a time; each returns when this rank's part is done. Bytes are moved as they are, and sums have one order:
/// that of the ranks.
/// </summary>
/// <remarks>
/// A rank that ends without <see cref="Complete"/> ends all: <see cref="IDisposable.Dispose"/> aborts them, so that none waits for ever.
/// </remarks>
public abstract class Communicator : IDisposable
{
    /// <summary>The number of this process, from 0.</summary>
    public abstract int Rank { get; }

    /// <summary>How many processes there are.</summary>
    public abstract int Size { get; }

    /// <summary>What moves the bytes, for people: "Open MPI v4.1.4".</summary>
    public abstract string Description { get; }

    /// <summary>Whether this is rank 0, which alone writes files.</summary>
    public bool IsRoot => Rank == 0;

    /// <summary>
    /// Bytes that this rank has handed to others since it began: each byte counts for each rank that it is for, whatever way the transport
    /// takes. Barriers count nothing.
    /// </summary>
    public long BytesSent { get; private protected set; }

    /// <summary>Connects this process with the others of its launcher, by MPI.</summary>
    /// <param name="lost">
    /// Told, on a thread of its own, why all ranks are about to end where another rank was silent for too long or the connection broke.
    /// </param>
    /// <param name="patience">For how long a rank may be silent, from 0.5 s to a day; null: a minute. Work is not silence.</param>
    /// <returns>Null where this process was started alone: then no library is loaded.</returns>
    /// <exception cref="CollectiveException">
    /// There is no MPI library, it is not that of the launcher, or the launcher has started several processes and not connected them.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The patience is out of its range.</exception>
    public static Communicator? OfLauncher(Action<string> lost, TimeSpan? patience = null)
    {
        ArgumentNullException.ThrowIfNull(lost);
        TimeSpan time = patience ?? TimeSpan.FromMinutes(1);
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromSeconds(0.5), nameof(patience));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromDays(1), nameof(patience));
        var launch = Launch.OfProcess();
        return launch.IsParallel ? MpiCommunicator.Start(launch, time, lost) : null;
    }

    /// <summary>
    /// The same ranks with their GPUs connected by NCCL, where every rank computes on one and has the library: what lies there then goes
    /// from one GPU to another, and not through the memory of the processes. Every rank calls it.
    /// </summary>
    /// <param name="backend">Where this rank computes.</param>
    /// <returns>
    /// Null where there is no such connection. To be disposed before its backend and before these ranks, which are not disposed with it.
    /// </returns>
    /// <exception cref="CollectiveException">NCCL is there and cannot connect the GPUs; its own words say why.</exception>
    public Communicator? BetweenGpus(Backend backend)
    {
        CudaBackend? gpu = backend as CudaBackend;
        NcclLibrary? nccl = gpu is null ? null : NcclLibrary.TryLoad();
        return Any(nccl is null) ? null : new NcclCommunicator(nccl!, this, gpu!);
    }

    /// <summary>Whether it moves tensors of a backend where they lie.</summary>
    internal abstract bool Reaches(Backend backend);

    /// <summary>Returns when all ranks have called it.</summary>
    public abstract void Barrier();

    /// <summary>Gives the bytes of one rank to all.</summary>
    /// <param name="bytes">Of the root: the bytes; of the others: as many, to be written.</param>
    /// <param name="root">The rank whose bytes they are.</param>
    public abstract void Broadcast(Span<byte> bytes, int root);

    /// <summary>Gives the bytes of each rank to all.</summary>
    /// <param name="own">As many on every rank.</param>
    /// <param name="all">Receives those of all ranks, one after the other: <see cref="Size"/> times as many.</param>
    public abstract void AllGather(ReadOnlySpan<byte> own, Span<byte> all);

    /// <summary>Sends and receives, all at once. Between two ranks transfers match in their order.</summary>
    internal abstract void Exchange(ReadOnlySpan<Transfer> transfers);

    /// <summary>Ends all ranks at once.</summary>
    /// <param name="code">The exit code.</param>
    public abstract void Abort(int code);

    /// <summary>Says that this rank has come to its end in order; returns when all have. Afterwards there is only Dispose.</summary>
    public abstract void Complete();

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>The sum over all ranks, on every rank.</summary>
    /// <param name="values">[n], as many on every rank; receives the sums.</param>
    public void AllReduce(Span<float> values)
    {
        int share = (values.Length + Size - 1) / Size;
        float[] padded = new float[share * Size], mine = new float[share];
        values.CopyTo(padded);
        ReduceScatter(padded, mine);
        AllGather(MemoryMarshal.AsBytes(mine.AsSpan()), MemoryMarshal.AsBytes(padded.AsSpan()));
        padded.AsSpan(0, values.Length).CopyTo(values);
    }

    /// <summary>The sum over all ranks, of which each rank receives a part.</summary>
    /// <param name="values">[ranks, n].</param>
    /// <param name="own">[n]: receives row <see cref="Rank"/> of the sum.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public unsafe void ReduceScatter(ReadOnlySpan<float> values, Span<float> own)
    {
        int n = own.Length;
        if (values.Length != (long)n * Size)
            throw new ArgumentException($"{nameof(values)} has {values.Length} elements, and {Size} parts of {n} are {(long)n * Size}");
        float[] received = new float[values.Length];
        fixed (float* from = values, to = received)
        {
            var transfers = new List<Transfer>();
            for (int rank = 0; rank < Size; rank++)
            {
                if (rank == Rank) continue;
                transfers.Add(Transfer.Send(rank, (nint)(from + ((long)rank * n)), n * sizeof(float)));
                transfers.Add(Transfer.Receive(rank, (nint)(to + ((long)rank * n)), n * sizeof(float)));
            }

            Exchange(CollectionsMarshal.AsSpan(transfers));
        }

        values.Slice(Rank * n, n).CopyTo(received.AsSpan(Rank * n));
        received.AsSpan(0, n).CopyTo(own);
        for (int rank = 1; rank < Size; rank++) TensorPrimitives.Add(own, received.AsSpan(rank * n, n), own);
    }

    /// <summary>The bytes of all ranks, of which each has a number of its own.</summary>
    /// <returns>[ranks].</returns>
    public byte[][] AllGather(ReadOnlySpan<byte> own)
    {
        Span<int> lengths = stackalloc int[Size];
        ReadOnlySpan<int> length = [own.Length];
        AllGather(MemoryMarshal.AsBytes(length), MemoryMarshal.AsBytes(lengths));
        int longest = Math.Max(1, TensorPrimitives.Max<int>(lengths));
        byte[] padded = new byte[longest], all = new byte[checked(longest * Size)];
        own.CopyTo(padded);
        AllGather(padded, all);
        var parts = new byte[Size][];
        for (int rank = 0; rank < Size; rank++) parts[rank] = all.AsSpan(rank * longest, lengths[rank]).ToArray();
        return parts;
    }

    /// <summary>Whether something holds on any rank.</summary>
    public bool Any(bool here)
    {
        Span<byte> all = stackalloc byte[Size];
        AllGather([here ? (byte)1 : (byte)0], all);
        return all.Contains((byte)1);
    }
}

/// <summary>Bytes that go to another rank or come from it.</summary>
/// <param name="Peer">The other rank.</param>
/// <param name="Address">Where they lie.</param>
/// <param name="Bytes">How many.</param>
/// <param name="IsSent">Whether they go.</param>
internal readonly record struct Transfer(int Peer, nint Address, int Bytes, bool IsSent)
{
    public static Transfer Send(int peer, nint address, int bytes) => new(peer, address, bytes, IsSent: true);

    public static Transfer Receive(int peer, nint address, int bytes) => new(peer, address, bytes, IsSent: false);
}
