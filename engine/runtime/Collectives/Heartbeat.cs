using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Engine.Runtime.Collectives;

/// <summary>
/// Tells a rank that computes for long, or waits for one that does, from a rank that is gone: on a thread of its own each rank sends the
/// next one a byte every so often, and expects such bytes from the one before it.
/// </summary>
internal sealed unsafe class Heartbeat : IDisposable
{
    private const int Tag = 2;
    private const byte Alive = 0, Leaving = 1;
    private readonly MpiLibrary _mpi;
    private readonly Lock _calls;
    private readonly int _size, _next, _before;
    private readonly TimeSpan _patience, _interval;
    private readonly Action<string> _lost;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    // What is sent, what is received, and the requests of both, where MPI may write at any time.
    private readonly byte* _sent, _received;
    private readonly nint* _sending, _receiving;

    /// <param name="mpi">The library.</param>
    /// <param name="calls">Held around each of its calls.</param>
    /// <param name="rank">This rank.</param>
    /// <param name="size">How many there are; at least 2.</param>
    /// <param name="patience">For how long the rank before this one may be silent.</param>
    /// <param name="lost">Told that it was for longer.</param>
    public Heartbeat(MpiLibrary mpi, Lock calls, int rank, int size, TimeSpan patience, Action<string> lost)
    {
        (_mpi, _calls, _size, _patience, _lost) = (mpi, calls, size, patience, lost);
        (_next, _before) = ((rank + 1) % size, (rank + size - 1) % size);
        _interval = TimeSpan.FromSeconds(Math.Clamp(patience.TotalSeconds / 10, 0.05, 2));
        _sent = (byte*)NativeMemory.AllocZeroed(1);
        _received = (byte*)NativeMemory.AllocZeroed(1);
        _sending = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
        _receiving = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
        *_sending = *_receiving = mpi.Constants.NullRequest;
        lock (_calls) Expect();
        _thread = new Thread(Run) { IsBackground = true, Name = "heartbeat" };
        _thread.Start();
    }

    /// <summary>Ends the thread, on all ranks at once: what is under way between them is waited for.</summary>
    public void Leave()
    {
        _stop.Set();
        _thread.Join();
        Await(_sending);
        *_sent = Leaving;
        lock (_calls) Send();
        for (Await(_receiving); *_received != Leaving; Await(_receiving))
            lock (_calls) Expect();
        Await(_sending);
    }

    /// <summary>Returns the memory, after <see cref="Leave"/>.</summary>
    public void Dispose()
    {
        NativeMemory.Free(_sent);
        NativeMemory.Free(_received);
        NativeMemory.Free(_sending);
        NativeMemory.Free(_receiving);
        _stop.Dispose();
    }

    private void Run()
    {
        try
        {
            TimeSpan silent = default;
            long last = Stopwatch.GetTimestamp();
            while (!_stop.Wait(_interval))
            {
                // A process that was stopped itself, with all others, has not waited for them meanwhile.
                TimeSpan passed = Stopwatch.GetElapsedTime(last);
                last = Stopwatch.GetTimestamp();
                silent = Beat() ? default : silent + (passed < 4 * _interval ? passed : _interval);
                if (silent <= _patience) continue;
                _lost($"rank {_before} of {_size} has not answered for {_patience.TotalSeconds:0.#} s: it hangs or is gone, and all ranks "
                    + "end; resume the run from its last checkpoint");
                return;
            }
        }
        catch (CollectiveException e)
        {
            _lost($"the connection with other ranks broke ({e.Message}), and all ranks end; resume the run from its last checkpoint");
        }
    }

    /// <summary>Sends and receives what can be; whether something came, and not that the other rank leaves.</summary>
    private bool Beat()
    {
        lock (_calls)
        {
            if (IsDone(_sending)) Send();
            bool came = false;
            while (*_received != Leaving && IsDone(_receiving))
            {
                came = true;
                if (*_received != Leaving) Expect();
            }

            return came || *_received == Leaving;
        }
    }

    private void Await(nint* request)
    {
        while (true)
        {
            lock (_calls)
                if (IsDone(request)) return;
            Thread.Yield();
        }
    }

    private bool IsDone(nint* request)
    {
        int isDone;
        _mpi.Check(_mpi.Test(request, &isDone, _mpi.Constants.IgnoreStatus), "MPI_Test");
        return isDone != 0;
    }

    private void Send() => _mpi.Check(
        _mpi.Isend((nint)_sent, 1, _mpi.Constants.Byte, _next, Tag, _mpi.Constants.World, _sending), "MPI_Isend");

    private void Expect() => _mpi.Check(
        _mpi.Irecv((nint)_received, 1, _mpi.Constants.Byte, _before, Tag, _mpi.Constants.World, _receiving), "MPI_Irecv");
}
