using System.Diagnostics;
using System.Globalization;

namespace Peers;

/// <summary>
/// One sample: a function repeated for long enough, with the share of the cores that others took meanwhile. As sampling.py has it.
/// </summary>
/// <param name="Milliseconds">Wall time of one step, the mean.</param>
/// <param name="CoreMilliseconds">Core time of one step.</param>
/// <param name="Steps">Steps the clock ran for.</param>
/// <param name="Others">Share of all cores that was neither idle nor this process.</param>
internal readonly record struct Sampling(double Milliseconds, double CoreMilliseconds, int Steps, double Others)
{
    /// <summary>USER_HZ of Linux, as /proc/stat counts.</summary>
    private const double Ticks = 100;

    public static Sampling Of(Action step, double seconds, int warmup = 2)
    {
        for (int i = 0; i < warmup; i++) step();
        double busy = BusySeconds(), own = OwnSeconds(), elapsed;
        long start = Stopwatch.GetTimestamp();
        int steps = 0;
        do
        {
            step();
            steps++;
            elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        while (elapsed < seconds);
        own = OwnSeconds() - own;
        double others = Math.Max(0, (BusySeconds() - busy - own) / (elapsed * Environment.ProcessorCount));
        return new Sampling(1000 * elapsed / steps, 1000 * own / steps, steps, others);
    }

    public string Json => string.Create(
        CultureInfo.InvariantCulture,
        $"\"ms\":{Milliseconds:0.###},\"cpu_ms\":{CoreMilliseconds:0.#},\"steps\":{Steps},\"others\":{Others:0.####}");

    private static double OwnSeconds() => Environment.CpuUsage.TotalTime.TotalSeconds;

    /// <summary>Core seconds of the whole machine that were not idle, steal included.</summary>
    private static double BusySeconds()
    {
        using StreamReader file = File.OpenText("/proc/stat");
        string[] words = file.ReadLine()!.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        // user nice system idle iowait irq softirq steal
        return (Field(1) + Field(2) + Field(3) + Field(6) + Field(7) + Field(8)) / Ticks;

        double Field(int i) => long.Parse(words[i], CultureInfo.InvariantCulture);
    }
}
