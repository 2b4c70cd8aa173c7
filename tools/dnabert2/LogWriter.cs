using System.Text;

namespace Dnabert2.Tool;

/// <summary>Writes about the work, which goes on where that cannot be written: on a full disk, into a pipe that nobody reads.</summary>
/// <param name="inner">Where it is written.</param>
internal sealed class LogWriter(TextWriter inner) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    /// <summary>A writer over another one, whose owner disposes it.</summary>
    public static TextWriter Over(TextWriter inner) => new LogWriter(inner);

    public override void Write(char value) => Try(value, static (writer, value) => writer.Write(value));

    public override void Write(string? value) => Try(value, static (writer, value) => writer.Write(value));

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    // In one piece, so that the lines of several processes do not mix.
    public override void WriteLine(string? value) => Try(value, static (writer, value) => writer.WriteLine(value));

    public override void Flush() => Try(0, static (writer, _) => writer.Flush());

    private void Try<T>(T value, Action<TextWriter, T> write)
    {
        try
        {
            write(inner, value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // There is no other place to say it.
        }
    }
}
