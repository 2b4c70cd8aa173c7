using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Engine.Runtime.Collectives;

/// <summary>
/// Ranks connected by MPI. Every operation is begun without waiting and then asked for, with a lock around each call, so that the
/// thread which watches the other ranks has its turn.
/// </summary>
internal sealed unsafe class MpiCommunicator : Communicator
{
    private const int Tag = 1;
    // Where ranks share a core, a turn of the processor's queue is soon enough; later the wait is long anyhow.
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(2);
    private readonly MpiLibrary _mpi;
    private readonly Lock _calls = new();
    private readonly Heartbeat _heartbeat;
    private bool _isEnded;

    private MpiCommunicator(MpiLibrary mpi, int rank, int size, TimeSpan patience, Action<string> lost)
    {
        (_mpi, Rank, Size) = (mpi, rank, size);
        _heartbeat = new Heartbeat(mpi, _calls, rank, size, patience, why =>
        {
            lost(why);
            Abort(1);
        });
    }

    public override int Rank { get; }

    public override int Size { get; }

    public override string Description => _mpi.Version;

    /// <summary>Connects this process with the others of its launcher.</summary>
    /// <param name="launch">What the launcher says.</param>
    /// <param name="patience">For how long a rank may be silent.</param>
    /// <param name="lost">Told of a rank that is silent, before all ranks end; on a thread of its own.</param>
    /// <exception cref="CollectiveException">There is no MPI library, or it is not that of the launcher.</exception>
    public static MpiCommunicator Start(Launch launch, TimeSpan patience, Action<string> lost)
    {
        MpiLibrary mpi = MpiLibrary.Load(launch);
        int isInitialized, level, rank, size;
        mpi.Check(mpi.Initialized(&isInitialized), "MPI_Initialized");
        if (isInitialized != 0) throw new CollectiveException("this process has begun MPI before: it joins the others once");
        mpi.Check(mpi.InitThread(null, null, mpi.Constants.Serialized, &level), "MPI_Init_thread");
        if (level < mpi.Constants.Serialized)
            throw new CollectiveException($"{mpi.Version}: serves one thread alone; MPI_THREAD_SERIALIZED is needed");
        mpi.Check(mpi.CommSetErrhandler(mpi.Constants.World, mpi.Constants.ErrorsReturn), "MPI_Comm_set_errhandler");
        mpi.Check(mpi.CommRank(mpi.Constants.World, &rank), "MPI_Comm_rank");
        mpi.Check(mpi.CommSize(mpi.Constants.World, &size), "MPI_Comm_size");
        if (size != launch.Size)
            throw new CollectiveException(
                $"{launch.Launcher} started {launch.Size} processes, and {mpi.Version} knows of {size}: it is not the library of this "
                + $"launcher; use the launcher of the same MPI, or name the launcher's library in the variable {MpiLibrary.Variable}");
        return new MpiCommunicator(mpi, rank, size, patience, lost);
    }

    internal override bool Reaches(Backend backend) => backend.IsHost;

    public override void Barrier()
    {
        nint request = _mpi.Constants.NullRequest;
        lock (_calls) _mpi.Check(_mpi.Ibarrier(_mpi.Constants.World, &request), "MPI_Ibarrier");
        Wait(&request, 1);
    }

    public override void Broadcast(Span<byte> bytes, int root)
    {
        nint request = _mpi.Constants.NullRequest;
        fixed (byte* address = bytes)
        {
            lock (_calls)
                _mpi.Check(
                    _mpi.Ibcast((nint)address, bytes.Length, _mpi.Constants.Byte, root, _mpi.Constants.World, &request), "MPI_Ibcast");
            Wait(&request, 1);
        }

        if (Rank == root) BytesSent += (long)bytes.Length * (Size - 1);
    }

    public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all)
    {
        if (all.Length != (long)own.Length * Size)
            throw new ArgumentException($"{nameof(all)} has {all.Length} bytes, and {Size} parts of {own.Length} are needed");
        nint request = _mpi.Constants.NullRequest, type = _mpi.Constants.Byte;
        fixed (byte* from = own, to = all)
        {
            lock (_calls)
                _mpi.Check(
                    _mpi.Iallgather((nint)from, own.Length, type, (nint)to, own.Length, type, _mpi.Constants.World, &request),
                    "MPI_Iallgather");
            Wait(&request, 1);
        }

        BytesSent += (long)own.Length * (Size - 1);
    }

    internal override void Exchange(ReadOnlySpan<Transfer> transfers)
    {
        nint[] requests = new nint[transfers.Length];
        requests.AsSpan().Fill(_mpi.Constants.NullRequest);
        nint type = _mpi.Constants.Byte, world = _mpi.Constants.World;
        fixed (nint* all = requests)
        {
            for (int i = 0; i < transfers.Length; i++)
            {
                (int peer, nint address, int bytes, bool isSent) = transfers[i];
                lock (_calls)
                    _mpi.Check(
                        isSent ? _mpi.Isend(address, bytes, type, peer, Tag, world, all + i)
                        : _mpi.Irecv(address, bytes, type, peer, Tag, world, all + i), isSent ? "MPI_Isend" : "MPI_Irecv");
                if (isSent) BytesSent += bytes;
            }

            Wait(all, requests.Length);
        }
    }

    public override void Abort(int code)
    {
        lock (_calls) _ = _mpi.Abort(_mpi.Constants.World, code);
        Environment.Exit(code);
    }

    public override void Complete()
    {
        Barrier();
        _heartbeat.Leave();
        _isEnded = true;
        lock (_calls) _mpi.Check(_mpi.Finish(), "MPI_Finalize");
    }

    public override void Dispose()
    {
        if (!_isEnded) Abort(1);
        _heartbeat.Dispose();
    }

    private void Wait(nint* requests, int count)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
            while (!IsDone(requests + i)) Pause(start);
    }

    private bool IsDone(nint* request)
    {
        int isDone;
        lock (_calls) _mpi.Check(_mpi.Test(request, &isDone, _mpi.Constants.IgnoreStatus), "MPI_Test");
        return isDone != 0;
    }

    private static void Pause(long start)
    {
        if (Stopwatch.GetElapsedTime(start) > Busy) Thread.Sleep(1);
        else Thread.Yield();
    }
}
