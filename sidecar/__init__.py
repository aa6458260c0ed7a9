"""The re-ranking service: app -> batcher -> scorer -> encoding -> schema; imports only downward."""
