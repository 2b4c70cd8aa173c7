namespace Dnabert2.Tool;

/// <summary>
/// Shows how far long work is: a line that is written over where someone watches, otherwise a new line every ten seconds. Work of a
/// second or two shows nothing.
/// </summary>
/// <param name="terminal">Where it is shown.</param>
/// <param name="quiet">Whether nothing is to be shown.</param>
/// <param name="unit">What <c>done</c> counts: "tokens".</param>
internal sealed class ProgressLine(Terminal terminal, bool quiet, string unit) : IDisposable
{
    private static readonly TimeSpan FirstAfter = TimeSpan.FromSeconds(1.5), EveryWatched = TimeSpan.FromSeconds(0.2),
        EveryLogged = TimeSpan.FromSeconds(10);

    private readonly long _start = terminal.Time.GetTimestamp();
    private TimeSpan _next = terminal.ErrorIsWatched ? FirstAfter : EveryLogged;
    private int _shown;

    /// <summary>Time since the work began.</summary>
    public TimeSpan Elapsed => terminal.Time.GetElapsedTime(_start);

    /// <summary>Whether it is time to <see cref="Show"/>; asked so that no text is made in vain.</summary>
    public bool IsDue => !quiet && Elapsed >= _next;

    /// <summary>Shows the state, with the rate so far and the time that is left.</summary>
    /// <param name="what">The state in words: "1,204 records".</param>
    /// <param name="done">Units done.</param>
    /// <param name="share">The part of the work that is done, from 0 to 1; null where that is not known.</param>
    public void Show(string what, double done, double? share)
    {
        double seconds = Elapsed.TotalSeconds;
        string text = $"{what}, {done / seconds:N0} {unit}/s";
        if (share is > 0 and <= 1)
            text += $", {100 * share.Value:F0} %, {Duration(TimeSpan.FromSeconds(seconds * (1 - share.Value) / share.Value))} left";
        _next = Elapsed + (terminal.ErrorIsWatched ? EveryWatched : EveryLogged);
        if (!terminal.ErrorIsWatched)
        {
            terminal.Say(text);
            return;
        }

        if (text.Length >= terminal.Width) text = text[..Math.Max(0, terminal.Width - 1)];
        terminal.Error.Write('\r' + text.PadRight(_shown));
        _shown = text.Length;
    }

    /// <summary>Wipes the line.</summary>
    public void Dispose()
    {
        if (_shown > 0) terminal.Error.Write('\r' + new string(' ', _shown) + '\r');
        _shown = 0;
    }

    /// <summary>A duration for people: <c>0:07</c>, <c>1:02:03</c>.</summary>
    public static string Duration(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(long)time.TotalHours}:{time.Minutes:D2}:{time.Seconds:D2}" : $"{time.Minutes}:{time.Seconds:D2}";
}
