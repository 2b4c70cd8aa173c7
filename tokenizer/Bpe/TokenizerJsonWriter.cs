using System.Text.Encodings.Web;
using System.Text.Json;

namespace Dnabert2.Tokenizers;

/// <summary>Writes a <c>tokenizer.json</c> that Hugging Face tokenizers reads; the same tokenizer always gives the same bytes.</summary>
internal static class TokenizerJsonWriter
{
    public static void Write(TokenizerParts parts, Stream stream)
    {
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using var json = new Utf8JsonWriter(stream, options);
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAddedTokens(json, parts.Added);
        json.WriteNull("normalizer");
        if (parts.SplitsWords)
        {
            json.WriteStartObject("pre_tokenizer");
            json.WriteString("type", "Whitespace");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("pre_tokenizer");
        }
        if (parts.Template is { } template) WriteTemplate(json, template, parts);
        else json.WriteNull("post_processor");
        json.WriteNull("decoder");
        WriteModel(json, parts.Model);
        json.WriteEndObject();
    }

    private static void WriteAddedTokens(Utf8JsonWriter json, AddedTokens added)
    {
        json.WriteStartArray("added_tokens");
        foreach (AddedToken token in added.All)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("content", token.Content);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", token.Normalized);
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteTemplate(Utf8JsonWriter json, Template template, TokenizerParts parts)
    {
        json.WriteStartObject("post_processor");
        json.WriteString("type", "TemplateProcessing");
        WritePieces(json, "single", template.Single);
        WritePieces(json, "pair", template.Pair);
        json.WriteStartObject("special_tokens");
        IEnumerable<TemplatePiece> special = template.Single.Concat(template.Pair).Where(piece => piece.Special is not null);
        AddedToken[] beyond = [.. parts.Added.All.Where(token => token.Id >= parts.Model.Tokens.Length)];
        foreach (TemplatePiece piece in special.DistinctBy(piece => piece.Special).OrderBy(piece => piece.Special, StringComparer.Ordinal))
        {
            json.WriteStartObject(piece.Special!);
            json.WriteString("id", piece.Special);
            json.WriteStartArray("ids");
            foreach (int id in piece.Ids) json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartArray("tokens");
            foreach (int id in piece.Ids)
                json.WriteStringValue(
                    id < parts.Model.Tokens.Length ? parts.Model.Tokens[id] : beyond[id - parts.Model.Tokens.Length].Content);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WritePieces(Utf8JsonWriter json, string name, TemplatePiece[] pieces)
    {
        json.WriteStartArray(name);
        foreach (TemplatePiece piece in pieces)
        {
            json.WriteStartObject();
            json.WriteStartObject(piece.Kind == PieceKind.Special ? "SpecialToken" : "Sequence");
            json.WriteString("id", piece.Kind switch { PieceKind.First => "A", PieceKind.Second => "B", _ => piece.Special });
            json.WriteNumber("type_id", piece.TypeId);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteModel(Utf8JsonWriter json, BpeModel model)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteString("unk_token", model.UnknownId < 0 ? null : model.Tokens[model.UnknownId]);
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < model.Tokens.Length; id++) json.WriteNumber(model.Tokens[id], id);
        json.WriteEndObject();
        // The form "A B" is read by every version; the form ["A","B"] only by recent ones, but it alone can hold a space.
        bool spaced = model.Merges.Any(merge => model.Tokens[merge.Product].Contains(' '));
        json.WriteStartArray("merges");
        foreach (Merge merge in model.Merges)
        {
            if (spaced)
            {
                json.WriteStartArray();
                json.WriteStringValue(model.Tokens[merge.Left]);
                json.WriteStringValue(model.Tokens[merge.Right]);
                json.WriteEndArray();
            }
            else
            {
                json.WriteStringValue($"{model.Tokens[merge.Left]} {model.Tokens[merge.Right]}");
            }
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
