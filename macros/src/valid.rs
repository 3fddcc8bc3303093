//! Finds every mistake in an annotated item, each at its own token.

use crate::args::{Args, Entry, List};
use crate::instance;
use crate::item::{Block, Function, Item};
use crate::mistakes::Mistakes;
use crate::source::is_ours;
use crate::types::{check_argument, check_result};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Error, GenericParam, Generics, ReceiverKind, ReturnType, Safety, Signature};

/// How many arguments a registered function takes at most.
const MOST_ARGUMENTS: usize = 8;

/// Finds the mistakes of the whole item.
pub(crate) fn check(item: &Item, mistakes: &mut Mistakes) {
    match item {
        Item::Function(function) => check_free_function(function, mistakes),
        Item::Block(block) => check_block(block, mistakes),
    }
}

fn check_free_function(function: &Function, mistakes: &mut Mistakes) {
    if let Some(name) = &function.args.handle {
        mistakes.at(name, "only an `impl` block with methods has a handle");
    }
    for attr in function.attrs.iter().filter(|attr| is_ours(attr.path())) {
        mistakes.at(attr.path(), "`#[parallel]` is given twice: remove one");
    }
    if let Some(receiver) = function.signature.receiver() {
        mistakes.at(
            receiver,
            "a method cannot be registered: take the value as an ordinary argument, and put \
             `#[parallel]` on the `impl` block",
        );
    } else if let Some(token) = find_self(function.signature.to_token_stream()) {
        mistakes.at(
            token,
            "the attribute of a function in an `impl` block goes on the block: put \
            `#[parallel]` there",
        );
    }
    check_function(function, mistakes);
}

fn check_block(block: &Block, mistakes: &mut Mistakes) {
    if let Some(path) = &block.trait_ {
        mistakes.at(
            path,
            "`#[parallel]` goes on an `impl` block without a trait: register an ordinary function \
             that calls the trait's",
        );
        return;
    }
    if let Some(name) = &block.args.name {
        mistakes.at(
            name,
            "a block has no name of its own: put `#[parallel(name = \"…\")]` on the function in it \
             that is meant",
        );
    }
    check_lists(&block.args, &block.generics, "this block", mistakes);
    check_actor(block, mistakes);
    for function in &block.functions {
        if let Some(path) = &function.args.krate {
            mistakes.at(
                path,
                "`crate` is an option of the whole block: put it there",
            );
        }
        if let Some(name) = &function.args.handle {
            mistakes.at(
                name,
                "`handle` is an option of the whole block: put it there",
            );
        }
        check_function(function, mistakes);
    }
}

/// Finds what keeps the type of a block with methods from being an actor.
fn check_actor(block: &Block, mistakes: &mut Mistakes) {
    let Some(first) = block.methods().next() else {
        if let Some(name) = &block.args.handle {
            mistakes.at(
                name,
                "only a block with methods has a handle: add some, or remove `handle`",
            );
        }
        return;
    };
    if block.constructors().next().is_none() {
        mistakes.at(
            first.signature.receiver(),
            "the methods of this block are called in an actor, and nothing makes its state: add a \
             function that returns `Self`, such as `new`, or put the methods into an `impl` block \
             without `#[parallel]`",
        );
    }
    if let Some(param) = block.generics.lifetimes().next() {
        mistakes.at(
            param,
            "the state of an actor borrows nothing, since it is alone in its process: make this a \
             type that owns what it has",
        );
    } else if !block.generics.params.is_empty() {
        mistakes.at(
            &block.generics.params,
            "an actor has one type: put the methods into an `impl` block without `#[parallel]`, or \
             this one on a type without parameters",
        );
    } else if block.handle().is_none() {
        mistakes.at(
            &block.self_ty,
            "this type gives its handle no name: write `#[parallel(handle = \"…\")]`",
        );
    }
    for function in block.methods() {
        check_method(function, mistakes);
    }
}

fn check_method(function: &Function, mistakes: &mut Mistakes) {
    let signature = &function.signature;
    if let Some(receiver) = signature.receiver()
        && !matches!(receiver.kind, ReceiverKind::Reference(..))
    {
        mistakes.at(
            receiver,
            "the state of an actor stays in its process: take `&self` or `&mut self`, or put the \
             method into an `impl` block without `#[parallel]`",
        );
    }
    for param in &signature.generics.params {
        if let Some(name) = instance::name(param) {
            mistakes.at(
                name,
                "a method of an actor has one type: take an enum, or put the method into an `impl` \
                 block without `#[parallel]`",
            );
        }
    }
    if let Some(lists) = &function.args.lists
        && let Some(list) = lists.first()
    {
        mistakes.at(
            &list.param,
            "a method of an actor has no instances: remove the list",
        );
    }
}

/// Finds the mistakes that a function can have wherever it stands.
fn check_function(function: &Function, mistakes: &mut Mistakes) {
    let attrs = function.attrs.iter();
    for attr in attrs.filter(|attr| attr.path().is_ident("target_feature")) {
        mistakes.at(
            attr.path(),
            "a worker may run on a processor without this feature: register an ordinary function \
             that checks and calls this one",
        );
    }
    check_qualifiers(&function.signature, mistakes);
    check_arguments(function, mistakes);
    if let ReturnType::Type(_, ty) = &function.signature.output {
        check_result(ty, mistakes);
    }
    if function.signature.receiver().is_none() {
        check_lists(
            &function.args,
            &function.signature.generics,
            "this function",
            mistakes,
        );
    }
}

fn check_qualifiers(signature: &Signature, mistakes: &mut Mistakes) {
    if let Some(token) = &signature.asyncness {
        mistakes.at(
            token,
            "an `async fn` cannot be registered, since a future cannot leave its process: make it \
             an ordinary function that blocks",
        );
    }
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.at(
            token,
            "an `unsafe fn` cannot be registered, since workers call it with whatever they are \
             sent: wrap it in a safe function",
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.at(
            abi,
            "an `extern` function cannot be registered: wrap it in an ordinary function",
        );
    }
    if let Some(variadic) = &signature.variadic {
        mistakes.at(
            variadic,
            "variadic arguments cannot be sent to another process: take a `Vec`",
        );
    }
}

fn check_arguments(function: &Function, mistakes: &mut Mistakes) {
    if let Some(excess) = function.arguments().nth(MOST_ARGUMENTS) {
        mistakes.at(
            excess,
            format!(
                "a registered function takes at most {MOST_ARGUMENTS} arguments: gather some \
                in a tuple or a struct"
            ),
        );
    }
    for argument in function.arguments() {
        let attrs = argument.attrs.iter();
        for attr in attrs.filter(|attr| attr.path().is_ident("cfg")) {
            mistakes.at(
                attr,
                "an argument cannot come and go with `#[cfg]`: put it on two \
                versions of the function",
            );
        }
        check_argument(&argument.ty, mistakes);
    }
}

/// Checks the lists of `for(…)` against the generic parameters of `place`.
fn check_lists(args: &Args, generics: &Generics, place: &str, mistakes: &mut Mistakes) {
    let lists = args.lists.as_deref().unwrap_or_default();
    if args.lists.is_some() || !args.incomplete {
        check_all_listed(lists, generics, place, mistakes);
    }
    for (i, list) in lists.iter().enumerate() {
        let name = &list.param;
        let named = |param: &&GenericParam| instance::name(param) == Some(name);
        let Some(param) = generics.params.iter().find(named) else {
            let message = format!("{place} has no generic parameter `{name}`: remove the list");
            mistakes.at(name, message);
            continue;
        };
        if lists[..i].iter().any(|earlier| earlier.param == *name) {
            mistakes.at(name, format!("`{name}` is listed twice: join the lists"));
        }
        if list.entries.is_empty() {
            mistakes.add(Error::new(
                list.bracket.span.join(),
                "an empty list registers nothing: list the instances, or remove the attribute",
            ));
        }
        for entry in &list.entries {
            if let (GenericParam::Type(_), Entry::Value(value)) = (param, entry) {
                mistakes.at(value, format!("`{name}` is a type parameter: list types"));
            }
        }
    }
}

/// Checks that there is a list for every generic parameter.
fn check_all_listed(lists: &[List], generics: &Generics, place: &str, mistakes: &mut Mistakes) {
    for param in &generics.params {
        let Some(name) = instance::name(param) else {
            continue;
        };
        if lists.iter().any(|list| list.param == *name) {
            continue;
        }
        let example = match param {
            GenericParam::Const(_) => "[1, 2]",
            _ => "[u32, String]",
        };
        mistakes.at(
            name,
            format!(
                "workers need to know which instances there are: list them in the attribute of \
                {place}, as in `for({name} = {example})`"
            ),
        );
    }
}

/// The first `Self` in these tokens.
fn find_self(tokens: TokenStream) -> Option<TokenTree> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ref ident) if ident == "Self" => Some(token),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}
