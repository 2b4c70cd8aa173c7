using System.Runtime.ExceptionServices;

namespace Engine.Kernels;

/// <summary>
/// Threads that run a job together, each its static share. Calling it allocates nothing: the job is a struct on the caller's stack,
/// the caller is worker 0, and the others wait by spinning for a short while, then asleep.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    // About 20 µs: the time between two operations of a forward pass is shorter, the time between two requests is longer.
    private const int Spins = 400;
    private readonly Lock _caller = new();
    private readonly object _sleep = new();
    private readonly Thread[] _threads;
    private readonly Exception?[] _faults;
    private delegate*<void*, int, int, void> _body;
    private void* _job;
    private int _round;
    private int _running;
    private int _sleepers;
    private bool _stop;

    public WorkerPool(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        Workers = workers;
        _faults = new Exception?[workers];
        _threads = new Thread[workers - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"engine worker {worker}" };
            _threads[i].Start();
        }
    }

    public int Workers { get; }

    /// <summary>Runs the job on all workers and returns when all are done. Calls from several threads take turns.</summary>
    public void Run<TJob>(in TJob job)
        where TJob : unmanaged, IJob
    {
        lock (_caller)
        {
            TJob copy = job;
            if (Workers == 1)
            {
                copy.Run(0, 1);
                return;
            }

            _body = &Invoke<TJob>;
            _job = &copy;
            Volatile.Write(ref _running, Workers - 1);
            Interlocked.Increment(ref _round);
            if (Volatile.Read(ref _sleepers) > 0)
                lock (_sleep) Monitor.PulseAll(_sleep);
            Guarded(0);
            var spinner = default(SpinWait);
            while (Volatile.Read(ref _running) > 0) spinner.SpinOnce(sleep1Threshold: -1);
            ThrowFault();
        }
    }

    public void Dispose()
    {
        lock (_caller)
        {
            Volatile.Write(ref _stop, true);
            Interlocked.Increment(ref _round);
            lock (_sleep) Monitor.PulseAll(_sleep);
            foreach (Thread thread in _threads) thread.Join();
        }
    }

    private static void Invoke<TJob>(void* job, int worker, int workers)
        where TJob : unmanaged, IJob
        => ((TJob*)job)->Run(worker, workers);

    private void Work(int worker)
    {
        for (int round = 1; ; round++)
        {
            WaitFor(round);
            if (Volatile.Read(ref _stop)) return;
            Guarded(worker);
            Interlocked.Decrement(ref _running);
        }
    }

    // _round only moves on when all workers have finished, so a worker never falls behind by more than one.
    private void WaitFor(int round)
    {
        for (int i = 0; i < Spins; i++)
        {
            if (Volatile.Read(ref _round) == round) return;
            Thread.SpinWait(20);
        }

        lock (_sleep)
        {
            Interlocked.Increment(ref _sleepers);
            while (Volatile.Read(ref _round) != round) Monitor.Wait(_sleep);
            Interlocked.Decrement(ref _sleepers);
        }
    }

    private void Guarded(int worker)
    {
        try
        {
            _body(_job, worker, Workers);
        }
#pragma warning disable CA1031 // Whatever a worker throws is thrown again by the caller of Run.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            _faults[worker] = fault;
        }
    }

    private void ThrowFault()
    {
        for (int i = 0; i < _faults.Length; i++)
        {
            if (_faults[i] is not { } fault) continue;
            Array.Clear(_faults);
            ExceptionDispatchInfo.Throw(fault);
        }
    }
}
